// Simplification: graph in, better graph out. Each pass is one function in a file of its own and can be tested alone.

import type { Graph } from "../graph.js";
import { recomputeBlocks } from "./blocks.js";
import { dropIdentities } from "./identities.js";
import { splitRows } from "./lanes.js";
import { mergeMoves } from "./moves.js";
import { recomputeCheap } from "./recompute.js";
import { absorbSums } from "./sums.js";
import { dropUnused } from "./unused.js";

const PASSES: readonly ((graph: Graph) => Graph)[] = [
  dropIdentities,
  mergeMoves,
  dropIdentities,
  dropUnused,
  absorbSums,
  recomputeBlocks,
  recomputeCheap,
  splitRows,
  dropUnused,
];

export function simplify(graph: Graph): Graph {
  return PASSES.reduce((current, pass) => pass(current), graph);
}
