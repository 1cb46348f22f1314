// How many numbers a method trains, and how many its adapter has where it is deployed: the head is among both.

import type { PeftModel } from "@peft/core";
import { MosaConfig, mergeExperts } from "@peft/mosa";

/** Numbers that training changes: of a tensor with a mask, those under it. */
export async function trainedNumbers(model: PeftModel): Promise<number> {
  const parameters = model.adapterParameters();
  let { trainable } = model.getNbTrainableParameters();
  for (const [name, { size }] of parameters) {
    const mask = parameters.get(`${name}_mask`);
    if (!mask) continue;
    const bits = Array.from(await mask.read());
    trainable -= size - bits.reduce((sum, bit) => sum + bit, 0);
  }
  return trainable;
}

/** Numbers added to the host or put in the place of its own, once experts are merged into one plain adapter. */
export async function deployedNumbers(model: PeftModel): Promise<number> {
  if (model.peftConfig.get("default")?.peftType !== MosaConfig.peftType) {
    return model.getNbTrainableParameters().trainable;
  }
  await mergeExperts(model, { mergedName: "deployed" });
  const numbers = [...model.adapterParameters("deployed").values()].reduce((sum, { size }) => sum + size, 0);
  model.deleteAdapter("deployed");
  return numbers;
}
