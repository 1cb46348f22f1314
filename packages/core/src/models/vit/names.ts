// How the names of a vision transformer's modules differ between transformers 4 and 5, and what timm calls them.

import { type NameTable, nameTable } from "../names.js";

export const VIT_NAMES: NameTable = nameTable([
  ["encoder.layer.{i}", "layers.{i}"],
  ["attention.attention.query", "attention.q_proj"],
  ["attention.attention.key", "attention.k_proj"],
  ["attention.attention.value", "attention.v_proj"],
  ["attention.output.dense", "attention.o_proj"],
  ["intermediate.dense", "mlp.fc1"],
  ["output.dense", "mlp.fc2"],
]);
