// The rows of every benchmark suite: what is timed, and the targets it is held to.
import type { CheckpointName } from "./checkpoint.js";

/**
 * What one sample of a row is. `step`: one more step of a process that is already warm. `first`: the first step of a
 * fresh process, tracing and compiling included. `load`: reading the model in a fresh process. `both`: reading it and its first
 * step.
 */
export type RowKind = "step" | "first" | "load" | "both";

export interface BenchRow {
  /** Also the argument that both sides get: it says which model, method and batch to run. */
  name: string;
  kind: RowKind;
  /** Both sides are given the folder of this checkpoint, of random weights: `--checkpoint DIR`. */
  checkpoint?: CheckpointName;
  /** Our time over PyTorch's, on AMD with AVX-512; null where there is no target. */
  targetTime: number | null;
  /** Our peak memory over PyTorch's; null where there is no target. */
  targetMemory: number | null;
  /** An earlier row whose time on our side this one's is compared with: a method with what it builds upon. */
  over?: { readonly row: string; readonly target: number };
}

/** Suites by name. Suite `NAME` has its sides in `src/sides/NAME.ts` and `reference/bench/NAME.py`. */
export const suites: ReadonlyMap<string, BenchRow[]> = new Map([
  ["engine", engineRows()],
  ["hosts", hostRows()],
  ["load", loadRows()],
  // Merged once, in a fresh process whose weights have been read.
  ["merge", [{ ...row("vit-b-lora-r8", "first", 1, null), checkpoint: "vit-b" }]],
  ["mosa", mosaRows()],
]);

function row(name: string, kind: RowKind, targetTime: number | null, targetMemory: number | null): BenchRow {
  return { name, kind, targetTime, targetMemory };
}

/** Whole training steps of models: forward, backward, clipping, AdamW. `pnpm bench memory` foresees their peak memory. */
export function trainingRows(): BenchRow[] {
  return [
    row("vit-s-adapter-b4", "step", 0.6, 0.85),
    row("vit-s-adapter-b16", "step", 0.6, 0.85),
    row("vit-b-adapter-b4", "step", 0.6, 0.85),
    // On every residual branch and after the activation: what it adds is the difference to the row above, and wants to be
    // no more than in PyTorch.
    row("vit-b-dropout-b4", "step", null, null),
    row("vit-b-adapter-b16", "step", 0.6, 0.85),
    // Checkpointed here, not there.
    row("vit-b-checkpointed-b16", "step", 0.6, 0.55),
    row("vit-b-lora-b16", "step", 0.6, 0.85),
    row("vit-b-probe-b16", "step", 0.7, 1),
    row("vit-b-full-b4", "step", 0.8, 1),
    row("roberta-lora-b8", "step", 0.7, null),
    row("t5-lora-b4", "step", 0.7, null),
  ];
}

/** The training rows; parts of models, forward and backward; the first step and the loading of a model. */
function engineRows(): BenchRow[] {
  return [
    ...trainingRows(),
    row("sd-blocks", "step", 0.9, 1),
    row("attention-4096", "step", 1, 1),
    row("vit-b-first", "first", 1, null),
    { ...row("vit-b-load", "step", 1, 1), checkpoint: "vit-b" },
    // For information: the same with every number brought to where it is computed with, since both loaders are lazy.
    { ...row("vit-b-load-read", "step", null, null), checkpoint: "vit-b" },
  ];
}

/** Hosts at full size: logits alone, a whole training step with LoRA, and 64 generated tokens. */
function hostRows(): BenchRow[] {
  const hosts = ["roberta", "t5", "bart", "ast", "swin"];
  return [
    ...hosts.flatMap((host) => [row(`${host}-forward`, "step", 0.7, 0.9), row(`${host}-step`, "step", 0.7, 0.9)]),
    row("t5-generate-1", "step", 1, null),
    row("t5-generate-4", "step", 1, null),
  ];
}

/**
 * Hosts read in a fresh process and, for information, with a pass over eight tokens: both loaders are lazy, and the pass reads every
 * weight. Of a file in half precision both sides make a model in float32: transformers is asked for it
 * (`dtype=torch.float32`), as it would compute in half precision by itself. Memory is that of both in every row.
 */
function loadRows(): BenchRow[] {
  const names = ["t5-base", "t5-base-half", "roberta-base", "roberta-base-half"] as const;
  return names.flatMap((checkpoint) => [
    { ...row(checkpoint, "load", 1, 1), checkpoint },
    { ...row(`${checkpoint}-pass`, "both", null, null), checkpoint },
  ]);
}

/** MoSA's training step, two passes over the batch, and the plain adapter's of the same recipe, one pass. */
function mosaRows(): BenchRow[] {
  const plain = row("vit-b-adaptformer-b16", "step", null, null);
  return [plain, { ...row("vit-b-mosa-b16", "step", 0.6, 0.85), over: { row: plain.name, target: 1.9 } }];
}
