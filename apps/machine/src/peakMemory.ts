// The peak memory of a process as the operating system counts it: resident pages at their highest, every library included.
import { readFileSync } from "node:fs";

/** Peak resident memory of this process so far, in MB of 10^6 bytes: `VmHWM` on Linux, `ru_maxrss` elsewhere. */
export function peakMemoryMb(): number {
  const kibibytes =
    process.platform === "linux" ? vmHwm(readFileSync("/proc/self/status", "utf8")) : process.resourceUsage().maxRSS;
  return (kibibytes * 1024) / 1e6;
}

function vmHwm(status: string): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  if (!match) throw new Error("/proc/self/status has no VmHWM line");
  return Number(match[1]);
}
