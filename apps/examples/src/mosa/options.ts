// What the MoSA example can be told.

export const ENGINES = ["compiled", "compiled:webgpu", "eager"] as const;

/** Vulkan drivers that compute on the CPU, by the names of their manifests. */
const SOFTWARE_DRIVERS = /swiftshader|lvp/i;

/**
 * Whether an engine needs seconds for a batch of four: the one in pure JavaScript, and WebGPU where the Vulkan loader was told
 * to take a driver that is software.
 */
export function isSlow(engine: MosaOptions["engine"]): boolean {
  const drivers = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? "";
  return engine === "eager" || (engine === "compiled:webgpu" && SOFTWARE_DRIVERS.test(drivers));
}

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
