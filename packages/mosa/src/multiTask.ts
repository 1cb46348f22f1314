// Several data sets as one task (`mosa.md` §6.2): one after another, with labels that go on where the ones before end.

import { type ImageDataset, type ImageExample, PeftError } from "@peft/core";

/**
 * The examples of all data sets, in their order. Of the i-th a label is shifted by the classes of those before it.
 *
 * @param datasets by name; a class's name is `<name>/<class>`, and so is an example's id
 */
export function multiTask(datasets: Readonly<Record<string, ImageDataset>>): ImageDataset {
  let [examples, labels] = [0, 0];
  const tasks = Object.entries(datasets).map(([name, dataset]) => {
    const task = { name, dataset, start: examples, firstLabel: labels };
    examples += dataset.length;
    labels += dataset.classes.length;
    return task;
  });
  const find = (index: number) => {
    const task = tasks.findLast(({ start, dataset }) => index >= start && index < start + dataset.length);
    if (task) return task;
    throw new PeftError("ARGUMENT_INVALID", `there is no example ${index} among ${examples}`);
  };
  return {
    length: examples,
    classes: tasks.flatMap(({ name, dataset }) => dataset.classes.map((one) => `${name}/${one}`)),
    labelAt: (index) => {
      const { dataset, start, firstLabel } = find(index);
      return firstLabel + dataset.labelAt(index - start);
    },
    get: async (index): Promise<ImageExample> => {
      const { name, dataset, start, firstLabel } = find(index);
      const { image, label, id } = await dataset.get(index - start);
      return { image, label: firstLabel + label, id: `${name}/${id}` };
    },
    fingerprint: async () => {
      const parts = await Promise.all(tasks.map(async ({ name, dataset }) => [name, await dataset.fingerprint()]));
      return JSON.stringify(parts);
    },
  };
}
