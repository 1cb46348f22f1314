// What is compared with the original implementations. A suite computes its rows; adding one is adding it to the list.

/** The kinds of rows and their bounds in fp32 (architecture.md §5). A specification may set another bound for a row. */
export const bounds = {
  /** Outputs and losses, small models. */
  output: 1e-5,
  /** Outputs and losses at full depth. */
  outputFullDepth: 1e-4,
  gradient: 1e-4,
  gradientFullDepth: 1e-3,
  /** p_n − p_0 after at most ten optimizer steps. */
  step: 1e-3,
  /** Compiled against eager, outputs and gradients. */
  engines: 1e-5,
  /** Whole numbers, text, random bits: the error is how many differ. */
  exact: 0,
} as const;

export type RowKind = keyof typeof bounds;

export interface Row {
  /** What was compared, such as "ViT / logits". */
  name: string;
  kind: RowKind;
  error: number;
  bound: number;
  ok: boolean;
}

export type ParitySuite = () => Promise<Row[]>;

/** A row; NaN is never ok. */
export function row(name: string, kind: RowKind, error: number, bound: number = bounds[kind]): Row {
  return { name, kind, error, bound, ok: error <= bound };
}

export const suites: ParitySuite[] = [];
