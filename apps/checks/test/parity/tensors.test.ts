import { describe, expect, it } from "vitest";
import { engineRows, gradientRows, outputRows, stepRows } from "../../src/parity/tensors.js";

const tensors = (named: Record<string, number[]>) => new Map(Object.entries(named));

describe("rows of tensors", () => {
  it("are one for each tensor of the reference, and one that is not there misses", () => {
    const rows = outputRows("ViT / outputs", tensors({ logits: [1, 2] }), tensors({ logits: [1, 2], loss: [3] }));
    expect(rows.map(({ name, kind, error, ok }) => [name, kind, error, ok])).toEqual([
      ["ViT / outputs / logits", "output", 0, true],
      ["ViT / outputs / loss", "output", Number.POSITIVE_INFINITY, false],
    ]);
  });

  it("of gradients count against a thousandth of the step's largest, and leave out what is zero in exact arithmetic", () => {
    const rows = gradientRows(
      "ViT / gradients",
      tensors({ large: [10], small: [2e-6], bias: [1e-9] }),
      tensors({ large: [10], small: [1e-6], bias: [-1e-9] }),
      { zeroGradient: ["bias"] },
    );
    expect(rows.map(({ name }) => name)).toEqual(["ViT / gradients / large", "ViT / gradients / small"]);
    expect(rows[1]!.error).toBeCloseTo(1e-4, 12);
  });

  it("of gradients miss for a tensor that the reference does not train", () => {
    const rows = gradientRows("ViT / gradients", tensors({ a: [1], b: [0] }), tensors({ a: [1] }));
    expect(rows.map(({ name, ok }) => [name, ok])).toEqual([
      ["ViT / gradients / a", true],
      ["ViT / gradients / b", false],
    ]);
  });

  it("of steps compare how far parameters went", () => {
    const actual = { before: tensors({ a: [1000], bias: [0] }), after: tensors({ a: [1000.5], bias: [1] }) };
    const rows = stepRows("ViT / steps", actual, tensors({ a: [1], bias: [-1], c: [1] }), { zeroGradient: ["bias"] });
    expect(rows.map(({ name, kind, ok }) => [name, kind, ok])).toEqual([
      ["ViT / steps / a", "step", false],
      ["ViT / steps / c", "step", false],
    ]);
    expect(rows[0]!.error).toBeCloseTo(0.5, 9);
  });

  it("of the two engines are held to their own bound", () => {
    const eager = { outputs: tensors({ logits: [1] }), gradients: tensors({ a: [1] }) };
    const compiled = { outputs: tensors({ logits: [1] }), gradients: tensors({ a: [1 + 5e-5] }) };
    expect(engineRows("ViT", { compiled, eager }).map(({ name, kind, ok }) => [name, kind, ok])).toEqual([
      ["ViT / compiled against eager, outputs / logits", "engines", true],
      ["ViT / compiled against eager, gradients / a", "engines", false],
    ]);
  });
});
