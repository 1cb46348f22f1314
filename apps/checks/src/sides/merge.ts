// Our side of `pnpm bench merge`: folding LoRA of rank 8 on every linear layer into a ViT-B/16, for good.
import { parseArgs } from "node:util";
import { getPeftModel, LoraConfig, type PeftModel, ViTForImageClassification } from "@peft/core";
import { goldenArray } from "@peft/core/testing";
import { serve } from "./protocol.js";

const { values } = parseArgs({ allowPositionals: true, options: { checkpoint: { type: "string" } } });

await serve<PeftModel>({
  setup: async () => {
    const host = await ViTForImageClassification.fromPretrained(values.checkpoint!);
    const config = new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear", modulesToSave: null });
    const model = getPeftModel(host, config);
    for (const [key, parameter] of model.trainableParameters()) {
      if (key.includes("lora_B")) await parameter.write(goldenArray(1, parameter.size, 0.01));
    }
    // Both loaders are lazy: the weights are read here, so that merging is what is timed.
    for (const parameter of model.parameters().values()) parameter.peek();
    return model;
  },
  step: (model) => model.mergeAndUnload(),
});
