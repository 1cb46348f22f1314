import { evaluate, getPeftModel, useEngine } from "@peft/core";
import { expect, it } from "vitest";
import { MOSA_PRESETS, MosaConfig, taskMetrics } from "../src/index.js";
import { batches, tinyHost } from "./tiny.js";

it("the paper's tasks are measured by the area under the ROC curve where there are two classes, else by min(5, C) guesses (§6.3)", () => {
  const names = (classes: number) => taskMetrics(classes).map(({ name }) => name);
  expect(names(MOSA_PRESETS.vtabCamelyon.classes)).toEqual(["rocAuc"]);
  expect(names(MOSA_PRESETS.vtabKitti.classes)).toEqual(["top4Accuracy"]);
  expect(names(MOSA_PRESETS.cub200.classes)).toEqual(["top5Accuracy"]);
  expect(() => taskMetrics(0)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});

it("an evaluation has them: as many guesses as classes are always right", async () => {
  await useEngine("compiled", { threads: 2 });
  const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4 }));
  const found = await evaluate(model, batches(), { metrics: taskMetrics(3) });
  expect(found.top3Accuracy).toBe(1);
  model.dispose();
});
