import { describe, expect, it } from "vitest";
import { parseCpuinfo, peakMemoryMb, processor, processorLine } from "../src/index.js";

describe("the machine", () => {
  it("reads model and flags of the first processor", () => {
    const text =
      "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nmodel name\t: other\n";
    expect(parseCpuinfo(text)).toEqual({ model: "AMD EPYC 9R14", flags: ["fpu", "avx2", "avx512f"] });
  });

  it("reads nothing from a cpuinfo without these lines, as on ARM", () => {
    expect(parseCpuinfo("processor\t: 0\nBogoMIPS\t: 243.75\n")).toEqual({ model: undefined, flags: undefined });
  });

  it("names this machine's processor in one line", () => {
    expect(processor().vcpus).toBeGreaterThanOrEqual(1);
    expect(processorLine()).toMatch(/^.+, \d+ vCPUs?, AVX-512 (yes|no|unknown)$/);
    expect(processorLine({ model: "M", vcpus: 1, avx512: undefined })).toBe("M, 1 vCPU, AVX-512 unknown");
  });

  it("counts memory that was in use once and is no longer", () => {
    const before = peakMemoryMb();
    let block: Uint8Array | undefined = new Uint8Array(200e6).fill(1);
    const during = peakMemoryMb();
    block = undefined;
    expect(block).toBeUndefined();
    expect(during - before).toBeGreaterThan(100);
    expect(peakMemoryMb()).toBeGreaterThanOrEqual(during);
  });
});
