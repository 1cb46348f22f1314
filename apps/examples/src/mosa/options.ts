// What the MoSA example can be told.

export const ENGINES = ["compiled", "compiled:webgpu", "eager"] as const;

export interface MosaOptions {
  /** A folder of class folders, or the folder of a CIFAR-10 container; left out, the pictures of the repository. */
  data?: string;
  /** Training pictures of each class with `data`. */
  perClass: number;
  /** Left out, the recipe's own. */
  epochs?: number;
  seeds: number;
  engine: (typeof ENGINES)[number];
  /** The run folder; left out, `runs/mosa-<time>`. */
  out?: string;
  /** The run folder of an interrupted run, to go on from its checkpoint. */
  resume?: string;
  /** Print `summary.json` and nothing else on standard output. */
  json: boolean;
}
