// Devices that are not there, and work that a device cannot do: errors that say so.

import { afterAll, describe, expect, it } from "vitest";
import { openDevice } from "../../src/engine/device.js";
import { writeOnnx } from "../../src/engine/onnx.js";
import { compile, useEngine } from "../../src/index.js";
import { roadAbsence } from "../../src/testing/index.js";

const x = { data: Float32Array.of(1), shape: [1], dtype: "float32" } as const;
const identity = compile((value) => value);

const webgpu = await roadAbsence("compiled:webgpu");
const because = (reason: string | undefined): string => (reason === undefined ? "" : ` (skipped: ${reason})`);

afterAll(() => useEngine("compiled"));

/** Why a device cannot be used here; undefined where it can. */
async function failureOf(device: "cuda"): Promise<unknown> {
  await useEngine("compiled", { device });
  return identity(x).then(
    () => undefined,
    (error: unknown) => error,
  );
}

const cuda = await failureOf("cuda");

describe("a device or a backend that is not there", () => {
  it.skipIf(cuda === undefined)(
    `says of CUDA what to install${cuda === undefined ? " (skipped: it is there)" : ""}`,
    () => {
      expect(cuda).toMatchObject({
        code: "ENGINE_DEVICE_FAILED",
        place: "cuda",
        hint: expect.stringMatching(/CUDA 12 .*npm rebuild onnxruntime-node/),
      });
    },
  );

  it("says which TensorFlow.js package brings a backend", async () => {
    await expect(useEngine("eager", { backend: "wasm" })).rejects.toMatchObject({
      code: "ENGINE_BINDING_MISSING",
      hint: expect.stringContaining("@tensorflow/tfjs-backend-wasm"),
    });
  });
});

describe("a node without a kernel", () => {
  it.skipIf(webgpu !== undefined)(`is an error on WebGPU, not the CPU's work${because(webgpu)}`, async () => {
    const device = openDevice("webgpu");
    const value = { type: "float32", shape: [1] } as const;
    const model = writeOnnx({
      nodes: [{ name: "round", type: "Round", domain: "", inputs: ["x"], outputs: ["y"], attributes: {} }],
      initializers: [],
      inputs: [{ name: "x", ...value }],
      outputs: [{ name: "y", ...value }],
    });
    await expect(
      device.run("round", model, { x: { data: x.data, spec: x } }, { y: { to: "host" } }),
    ).rejects.toMatchObject({
      code: "ENGINE_KERNEL_MISSING",
      message: expect.stringContaining("webgpu"),
    });
    await device.close();
  });
});
