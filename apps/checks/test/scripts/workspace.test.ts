import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const workspace = JSON.stringify(join(import.meta.dirname, "../../../../scripts/workspace.mjs"));

/** Runs code as a root command does; `onOutput` sees its output so far and may send it a signal. */
function command(code: string, onOutput: (output: string, kill: (signal: NodeJS.Signals) => void) => void = () => {}) {
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const receive = (chunk: Buffer) => {
      output += chunk;
      onOutput(output, (signal) => child.kill(signal));
    };
    child.stdout.on("data", receive);
    child.stderr.on("data", receive);
    child.on("close", (exit) => resolve({ code: exit, output }));
  });
}

const foreground = (program: string) =>
  `import { runForeground } from ${workspace}; process.exitCode = await runForeground([process.execPath, ["-e", ${JSON.stringify(program)}]]);`;

describe("a root command", () => {
  it("passes the exit code of what it runs through", async () => {
    expect(await command(foreground("process.exit(7)"))).toEqual({ code: 7, output: "" });
    expect((await command(foreground("process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000)"))).code).toBe(
      143,
    );
  });

  it.each(["SIGINT", "SIGTERM"] as const)("passes %s on once and waits for what it runs to finish", async (signal) => {
    const program = `process.on("${signal}", () => { console.log("stopping"); setTimeout(() => process.exit(5), 300); }); console.log("ready"); setTimeout(() => {}, 20_000);`;
    let sent = false;
    const result = await command(foreground(program), (output, kill) => {
      if (!sent && output.includes("ready")) {
        sent = true;
        kill(signal);
      }
    });
    expect(result).toEqual({ code: 5, output: "ready\nstopping\n" });
  });

  it("tells a Node that is too old what is needed", async () => {
    const old = `Object.defineProperty(process, "versions", { value: { node: "20.18.3" } }); const { requireNode } = await import(${workspace}); requireNode(); console.log("went on");`;
    const { code, output } = await command(old);
    expect(code).toBe(1);
    expect(output).toContain("needs Node.js 20.19 or later; this is 20.18.3");
    expect(output).not.toContain("went on");
  });
});
