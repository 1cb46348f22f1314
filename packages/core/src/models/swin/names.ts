// How the names of a Swin transformer's modules differ between transformers 4 and 5.

import { type NameTable, nameTable } from "../names.js";

export const SWIN_NAMES: NameTable = nameTable([
  ["attention.self.query", "attention.q_proj"],
  ["attention.self.key", "attention.k_proj"],
  ["attention.self.value", "attention.v_proj"],
  ["attention.self.relative_position_bias_table", "attention.relative_position_bias.relative_position_bias_table"],
  ["attention.output.dense", "attention.o_proj"],
  ["intermediate.dense", "mlp.fc1"],
  ["output.dense", "mlp.fc2"],
]);
