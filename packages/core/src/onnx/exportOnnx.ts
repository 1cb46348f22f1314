// A model as an ONNX file, for whatever runs ONNX: a browser, a phone, a server without Node.js.

import { emitNodes } from "../engine/emit.js";
import type { Spec } from "../engine/graph.js";
import { graphsOf } from "../engine/graphsOf.js";
import type { Parameter } from "../engine/index.js";
import { type OnnxNode, onnxPieces } from "../engine/onnx.js";
import { PeftError } from "../errors.js";
import { writeAtomically } from "../files/atomic.js";
import type { Trainable } from "../models/index.js";
import { PortableEmitter } from "./portable.js";

/** A protobuf message, which an ONNX file is, holds less. */
const MAX_ONNX_BYTES = 2 ** 31 - 1;
/** What nodes and names take beside the weights, at most. */
const GRAPH_BYTES = 2 ** 26;

/**
 * Writes a model's forward pass as one ONNX file (opset 20, ONNX's own operators alone), its weights inside. Adapters are
 * part of it as they are: merge them first for a smaller and faster graph. Dropout is off.
 *
 * @param path of the file, such as `model.onnx`
 * @param inputs shapes and types of the model's inputs by name, such as `{ pixelValues: { shape: [1, 3, 224, 224],
 *   dtype: "float32" } }`; the graph is for these shapes. In the file names are as in Python: `pixel_values`, `logits`
 * @throws PeftError ARGUMENT_INVALID for a model that is too large for one ONNX file (2 GiB), FILE_UNWRITABLE, and what the
 *   model throws for the inputs; no file is then left behind
 */
export async function exportOnnx(
  model: Trainable,
  path: string,
  inputs: Readonly<Record<string, Spec>>,
): Promise<void> {
  const names = Object.keys(inputs);
  const { simplified: graph } = graphsOf(
    (...tensors) => model.forward(Object.fromEntries(names.map((name, i) => [name, tensors[i]!]))).logits,
    names.map((name) => inputs[name]!),
  );
  const { nodes, initializers, feeds, results } = emitNodes(graph, new PortableEmitter());
  const renamed = new Map([[results[0]!.name, "logits"]]);
  const unique = unusedNames(["logits", ...initializers.map(({ name }) => name), ...nodes.flatMap((n) => n.outputs)]);
  const weights: [name: string, parameter: Parameter][] = [];
  const wanted: { name: string; type: Spec["dtype"]; shape: readonly number[] }[] = [];
  for (const { name, input } of feeds) {
    if (input.kind === "draw") {
      throw new PeftError("ARGUMENT_INVALID", `the model draws random numbers at "${input.draw.site}"`, {
        place: path,
        hint: "a file computes the same each time; export a model whose forward pass does not draw",
      });
    }
    const own = unique(input.kind === "argument" ? snakeCase(names[input.index]!) : input.parameter.name);
    renamed.set(name, own);
    if (input.kind === "argument") wanted.push({ name: own, type: input.value.dtype, shape: input.value.shape });
    else weights.push([own, input.parameter]);
  }
  const bytes = weights.reduce((sum, [, { size }]) => sum + 4 * size, GRAPH_BYTES);
  if (bytes > MAX_ONNX_BYTES) {
    throw new PeftError("ARGUMENT_INVALID", `${weights.length} weights of ${bytes} bytes do not fit an ONNX file`, {
      place: path,
      hint: "an ONNX file holds 2 GiB; export a smaller model",
    });
  }
  const { spec } = results[0]!;
  const onnx = {
    nodes: rename(nodes, renamed),
    initializers,
    inputs: wanted,
    outputs: [{ name: "logits", type: spec.dtype, shape: spec.shape }],
  };
  const tensors = weights.map(([name, parameter]) => ({
    name,
    type: parameter.dtype,
    shape: parameter.shape,
    length: parameter.size * (parameter.dtype === "bool" ? 1 : 4),
    read: async () => bytesOf(await parameter.read()),
  }));
  await writeAtomically(path, onnxPieces(onnx, tensors));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** `pixelValues` is `pixel_values` in Python. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Gives each name once, with a number where another has it already. */
function unusedNames(used: readonly string[]): (name: string) => string {
  const taken = new Set(used);
  return (name) => {
    let free = name;
    for (let i = 1; taken.has(free); i++) free = `${name}.${i}`;
    taken.add(free);
    return free;
  };
}

function rename(nodes: readonly OnnxNode[], names: ReadonlyMap<string, string>): OnnxNode[] {
  const to = (name: string): string => names.get(name) ?? name;
  return nodes.map((node) => ({ ...node, inputs: node.inputs.map(to), outputs: node.outputs.map(to) }));
}
