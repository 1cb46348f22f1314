// Bottleneck adapters against the baselines of the MoSA repository (fixtures/bottleneck).
import { join } from "node:path";
import {
  BottleneckConfig,
  getPeftModel,
  type PeftModel,
  type ResidualStyle,
  ViTForImageClassification,
} from "@peft/core";
import { readFixture } from "@peft/core/testing";
import type { Row } from "./rows.js";
import { type TrainedCase, type TrainedInfo, trainedRows } from "./trained.js";

interface BottleneckInfo extends TrainedInfo {
  readonly bottleneck: number;
  readonly scale: number;
  readonly dropout: number;
  readonly layerNormEps: number;
}

const PREFIX = "base_model.model.";

export function bottleneck(fixtures: string): Promise<Row[]> {
  return trainedRows([
    styleCase(fixtures, "AdaptFormer", "adaptformer"),
    styleCase(fixtures, "Pfeiffer", "pfeiffer"),
    styleCase(fixtures, "Houlsby", "houlsby"),
  ]);
}

function styleCase(fixtures: string, subject: string, style: ResidualStyle): TrainedCase<PeftModel> {
  const fixture = readFixture<BottleneckInfo>(join(fixtures, "bottleneck"), style);
  const { bottleneck, scale, dropout, layerNormEps } = fixture.info;
  const trained = (model: PeftModel) =>
    new Map([...model.trainableParameters()].map(([key, parameter]) => [PREFIX + key, parameter]));
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: async () => {
      const host = await ViTForImageClassification.fromPretrained(join(fixtures, "vit", "tiny"), { layerNormEps });
      const model = getPeftModel(host, new BottleneckConfig({ style, bottleneck, scale, dropout }));
      const parameters = trained(model);
      for (const [key, numbers] of fixture.group("start")) {
        const parameter = parameters.get(key);
        if (!parameter) throw new Error(`${subject}: nothing here is called ${key}`);
        await parameter.write(numbers);
      }
      return model;
    },
    trained,
  };
}
