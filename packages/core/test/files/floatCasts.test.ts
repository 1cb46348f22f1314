import { describe, expect, it } from "vitest";
import { toBFloat16, toFloat16, toFloat32 } from "../../src/files/floatCasts.js";
import { differences, readFixture } from "../data/fixtures.js";

const { tensors } = readFixture("casts.safetensors");
const values = tensors.get("float32")!.data as Float32Array;
const everyPattern = Uint16Array.from({ length: 65_536 }, (_, i) => i);

/** IEEE 754 binary16 by its definition. */
function valueOfHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

describe("toFloat32", () => {
  it("gives every float16 its value", () => {
    const widened = toFloat32({ dtype: "float16", shape: [65_536], data: everyPattern });
    expect(differences(widened, Array.from(everyPattern, valueOfHalf))).toBe("");
  });

  it("gives every bfloat16 the float32 of which it is the upper half", () => {
    const widened = toFloat32({ dtype: "bfloat16", shape: [65_536], data: everyPattern });
    expect(
      differences(
        new Uint32Array(widened.buffer),
        Array.from(everyPattern, (half) => half * 65_536),
      ),
    ).toBe("");
  });

  it("returns float32 as it is, and converts integers", () => {
    const data = Float32Array.of(1, 2);
    expect(toFloat32({ dtype: "float32", shape: [2], data })).toBe(data);
    expect(toFloat32({ dtype: "int64", shape: [2], data: BigInt64Array.of(-3n, 2n ** 40n) })).toEqual(
      Float32Array.of(-3, 2 ** 40),
    );
    expect(toFloat32({ dtype: "bool", shape: [2], data: Uint8Array.of(0, 1) })).toEqual(Float32Array.of(0, 1));
    expect(toFloat32({ dtype: "int8", shape: [1], data: Int8Array.of(-128) })).toEqual(Float32Array.of(-128));
  });
});

describe("toFloat16 and toBFloat16", () => {
  it("round as PyTorch does, ties to even, subnormals and overflow included", () => {
    expect(differences(toFloat16(values), tensors.get("float16")!.data as Uint16Array)).toBe("");
    expect(differences(toBFloat16(values), tensors.get("bfloat16")!.data as Uint16Array)).toBe("");
  });

  it("give every pattern back that is no NaN, and a quiet NaN for a NaN", () => {
    for (const [dtype, narrow, isNaNPattern] of [
      ["float16", toFloat16, (half: number) => (half & 0x7fff) > 0x7c00],
      ["bfloat16", toBFloat16, (half: number) => (half & 0x7fff) > 0x7f80],
    ] as const) {
      const back = narrow(toFloat32({ dtype, shape: [65_536], data: everyPattern }));
      const wrong = everyPattern.filter((half) =>
        isNaNPattern(half) ? !isNaNPattern(back[half]!) : back[half] !== half,
      );
      expect([...wrong], dtype).toEqual([]);
    }
  });
});
