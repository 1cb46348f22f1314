// ONNX files, as far as the engine writes them: the fields of onnx.proto (IR version 10) that a graph of plain nodes needs.

import { PbfWriter } from "pbf";
import type { DType } from "./graph.js";

export type OnnxType = DType | "int64" | "uint32" | "float16" | "int8" | "uint8";

/** `TensorProto.DataType`. */
const DATA_TYPE: Record<OnnxType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  uint32: 12,
};

const IR_VERSION = 10;
/** Opset 17 brought LayerNormalization, 18 reductions with axes as inputs, 20 Gelu. */
const OPSET = 20;
const CONTRIB = "com.microsoft";

/** An attribute's value: an integer is a bigint, so that 1 can be told from 1.0. */
export type OnnxAttribute = bigint | number | string | readonly bigint[] | readonly number[];

export interface OnnxNode {
  readonly name: string;
  readonly type: string;
  readonly domain: "" | typeof CONTRIB;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Row-major little-endian numbers. */
  readonly bytes: Uint8Array;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  /** Absent where any shape may come. */
  readonly shape?: readonly number[];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** The bytes of a ModelProto. */
export function writeOnnx(graph: OnnxGraph): Uint8Array {
  const pbf = new PbfWriter();
  writeHead(graph, pbf);
  pbf.writeMessage(GRAPH, writeGraph, graph);
  return pbf.finish();
}

/** `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.raw_data`. */
const [GRAPH, INITIALIZER, RAW_DATA] = [7, 5, 9];

/**
 * The same in pieces, with large tensors as initializers whose bytes are not copied. Each is asked for when its turn comes.
 *
 * @param weights beside the graph's own initializers; their `bytes` are what `read` gives
 */
export async function* onnxPieces(
  graph: OnnxGraph,
  weights: readonly (Omit<OnnxTensor, "bytes"> & { readonly length: number; read(): Promise<Uint8Array> })[],
): AsyncGenerator<Uint8Array> {
  const own = new PbfWriter();
  writeGraph(graph, own);
  const base = own.finish();
  const heads = weights.map(({ length, ...tensor }) => {
    const pbf = new PbfWriter();
    writeTensorHead(tensor, pbf);
    const fields = pbf.finish();
    const data = prefix(RAW_DATA, length);
    const whole = prefix(INITIALIZER, fields.length + data.length + length);
    return Buffer.concat([whole, fields, data]);
  });
  const total = weights.reduce((sum, { length }, i) => sum + heads[i]!.length + length, base.length);
  const head = new PbfWriter();
  writeHead(graph, head);
  yield Buffer.concat([head.finish(), prefix(GRAPH, total), base]);
  for (const [i, weight] of weights.entries()) {
    yield heads[i]!;
    yield await weight.read();
  }
}

/** The tag of a field of bytes, and their number. */
function prefix(field: number, length: number): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeVarint((field << 3) | 2);
  pbf.writeVarint(length);
  return pbf.finish();
}

function writeHead({ nodes }: OnnxGraph, pbf: PbfWriter): void {
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, "@peft/core");
  pbf.writeMessage(8, writeOpset, { domain: "", version: OPSET });
  if (nodes.some(({ domain }) => domain === CONTRIB)) pbf.writeMessage(8, writeOpset, { domain: CONTRIB, version: 1 });
}

function writeOpset(opset: { domain: string; version: number }, pbf: PbfWriter): void {
  pbf.writeStringField(1, opset.domain);
  pbf.writeVarintField(2, opset.version);
}

function writeGraph(graph: OnnxGraph, pbf: PbfWriter): void {
  for (const node of graph.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, "model");
  for (const tensor of graph.initializers) pbf.writeMessage(INITIALIZER, writeTensor, tensor);
  for (const value of graph.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of graph.outputs) pbf.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const name of node.inputs) pbf.writeStringField(1, name);
  for (const name of node.outputs) pbf.writeStringField(2, name);
  pbf.writeStringField(3, node.name);
  pbf.writeStringField(4, node.type);
  for (const [name, value] of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, { name, value });
  if (node.domain) pbf.writeStringField(7, node.domain);
}

/** `AttributeProto.AttributeType`: FLOAT 1, INT 2, STRING 3, FLOATS 6, INTS 7. */
function writeAttribute({ name, value }: { name: string; value: OnnxAttribute }, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === "number") {
    pbf.writeFloatField(2, value);
    pbf.writeVarintField(20, 1);
  } else if (typeof value === "bigint") {
    writeInteger(3, value, pbf);
    pbf.writeVarintField(20, 2);
  } else if (typeof value === "string") {
    pbf.writeBytesField(4, new TextEncoder().encode(value));
    pbf.writeVarintField(20, 3);
  } else if (typeof value[0] === "number") {
    for (const item of value as readonly number[]) pbf.writeFloatField(7, item);
    pbf.writeVarintField(20, 6);
  } else {
    for (const item of value as readonly bigint[]) writeInteger(8, item, pbf);
    pbf.writeVarintField(20, 7);
  }
}

/** pbf writes negative numbers as 64-bit two's complement varints, as protobuf's int64 wants. */
function writeInteger(field: number, value: bigint, pbf: PbfWriter): void {
  pbf.writeVarintField(field, Number(value));
}

function writeTensor(tensor: OnnxTensor, pbf: PbfWriter): void {
  writeTensorHead(tensor, pbf);
  pbf.writeBytesField(RAW_DATA, tensor.bytes);
}

function writeTensorHead(tensor: Omit<OnnxTensor, "bytes">, pbf: PbfWriter): void {
  for (const dimension of tensor.shape) pbf.writeVarintField(1, dimension);
  pbf.writeVarintField(2, DATA_TYPE[tensor.type]);
  pbf.writeStringField(8, tensor.name);
}

function writeValue(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, value.name);
  pbf.writeMessage(2, writeType, value);
}

function writeType(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeMessage(1, writeTensorType, value);
}

function writeTensorType(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeVarintField(1, DATA_TYPE[value.type]);
  if (value.shape) pbf.writeMessage(2, writeShape, value.shape);
}

function writeShape(shape: readonly number[], pbf: PbfWriter): void {
  for (const dimension of shape) pbf.writeMessage(1, writeDimension, dimension);
}

function writeDimension(dimension: number, pbf: PbfWriter): void {
  pbf.writeVarintField(1, dimension);
}
