import { getPeftModel, PeftError, parseViTConfig, ViTForImageClassification } from "@peft/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MOSA_PRESETS, MosaConfig, type MosaFields } from "../src/index.js";

describe("MosaConfig", () => {
  it("has the defaults of the published scripts, and the style's", () => {
    const config = new MosaConfig();
    expect(config).toMatchObject({ bottleneck: 64, numExperts: 4, split: "up-only", addWeight: 0, regWeight: 1 });
    expect(config.adapterOptions()).toMatchObject({ activation: "gelu", scale: 0.1, dropout: 0.1, norm: true });
    const of = (style: MosaFields["style"]) => new MosaConfig({ style }).adapterOptions();
    expect(of("pfeiffer")).toMatchObject({ activation: "relu", scale: 1, dropout: 0, norm: true });
    expect(of("houlsby")).toMatchObject({ activation: "silu", scale: 1, dropout: 0, norm: false });
  });

  it.each<[string, Partial<MosaFields>]>([
    ["numExperts", { numExperts: 0 }],
    ["numExperts", { numExperts: 257 }],
    ["numExperts", { numExperts: 2.5 }],
    ["bottleneck", { bottleneck: 0 }],
    ["dropout", { dropout: 1 }],
    ["regWeight", { regWeight: -1 }],
    ["addWeight", { addWeight: Number.NaN }],
    ["deepReg", { deepReg: true, secondPass: false }],
    ["addWeight", { addWeight: 1, secondPass: false }],
    ["split", { split: "none" as "both" }],
    ["experts", { experts: 4 } as Partial<MosaFields>],
  ])("refuses a wrong %s: %o", (place, fields) => {
    const error = (() => {
      try {
        return new MosaConfig(fields);
      } catch (found) {
        return found;
      }
    })();
    expect(error).toBeInstanceOf(PeftError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", place });
  });

  it("reads any JSON as a config or refuses it with CONFIG_INVALID", () => {
    const values = fc.dictionary(fc.constantFrom("num_experts", "split", "scale", "merge", "deep_reg"), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), values), (json) => {
        try {
          expect(MosaConfig.fromJSON(json)).toBeInstanceOf(MosaConfig);
        } catch (error) {
          expect(error).toMatchObject({ code: "CONFIG_INVALID" });
        }
      }),
    );
  });

  // Numbers of parameters on ViT-B/16 without its head (`mosa.md` §5). Nothing is allocated: no number is used.
  const host = () => new ViTForImageClassification(parseViTConfig({}, "test"));

  it.each<[number, Partial<MosaFields>]>([
    [1_235_712, { ...pick("cub200") }],
    [1_217_280, { ...pick("cub200"), numExperts: 2 }],
    [350_400, { ...pick("vtab1k") }],
    [1_208_832, { ...pick("stanfordCars") }],
    [1_218_048, { ...pick("fgvcMultiTask") }],
    [1_235_712, { ...pick("cub200"), style: "pfeiffer" }],
    [2_434_560, { ...pick("cub200"), style: "houlsby" }],
  ])("trains %i numbers on ViT-B/16 with %o", (count, fields) => {
    const model = getPeftModel(host(), new MosaConfig({ ...fields, modulesToSave: null }));
    const decays = [...model.trainableParameters()].filter(([key]) => key.endsWith(".experts.decay"));
    const sizes = decays.reduce((sum, [, { size }]) => sum + size, 0);
    // A factor of decay for each expert of a split down side, which the original has as whole tensors.
    expect(sizes).toBe(fields.split === "up-only" ? 0 : 12 * fields.numExperts!);
    expect(model.getNbTrainableParameters().trainable - sizes).toBe(count);
  });
});

function pick(name: keyof typeof MOSA_PRESETS): Partial<MosaFields> {
  const { learningRate: _, ...fields } = MOSA_PRESETS[name];
  return fields;
}
