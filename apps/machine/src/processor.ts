// Which processor a figure was measured on: a ratio to PyTorch depends on it, so every table prints it.
import { readFileSync } from "node:fs";
import os from "node:os";

export interface Processor {
  /** As the processor names itself, such as "AMD EPYC 9R14". */
  model: string;
  /** Logical processors this process may use. */
  vcpus: number;
  /** Whether it has AVX-512; undefined where the system does not tell (anything but Linux). */
  avx512: boolean | undefined;
}

/** The processor of this machine. */
export function processor(): Processor {
  const vcpus = os.availableParallelism();
  const fallback = os.cpus()[0]?.model.trim() || os.arch();
  if (process.platform !== "linux") return { model: fallback, vcpus, avx512: undefined };
  const { model, flags } = parseCpuinfo(readFileSync("/proc/cpuinfo", "utf8"));
  return { model: model ?? fallback, vcpus, avx512: flags ? flags.includes("avx512f") : false };
}

/** One line for a table or a file: `AMD EPYC 9R14, 2 vCPUs, AVX-512 yes`. */
export function processorLine({ model, vcpus, avx512 }: Processor = processor()): string {
  const avx = avx512 === undefined ? "unknown" : avx512 ? "yes" : "no";
  return `${model}, ${vcpus} vCPU${vcpus === 1 ? "" : "s"}, AVX-512 ${avx}`;
}

/** Model name and flags of the first processor in the text of `/proc/cpuinfo`; an ARM machine has neither line. */
export function parseCpuinfo(text: string): { model: string | undefined; flags: string[] | undefined } {
  const value = (key: string) => new RegExp(`^${key}\\s*:\\s*(.+)$`, "m").exec(text)?.[1]?.trim();
  return { model: value("model name"), flags: value("flags")?.split(/\s+/) };
}
