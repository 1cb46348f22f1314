import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { torchCommand } from "../../src/bench/sides.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sides-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function touch(path: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), "");
  return join(root, path);
}

describe("PyTorch's side", () => {
  it("is run by the environment that reference:setup makes", () => {
    const script = touch("reference/bench/engine.py");
    const python = touch(`reference/.venv/${process.platform === "win32" ? "Scripts" : "bin"}/python`);
    expect(torchCommand(root, "engine", ["row"], {})).toEqual({ command: python, args: [script, "row"] });
  });

  it("is run by the Python that PEFT_PYTHON names before any other", () => {
    const script = touch("reference/bench/engine.py");
    expect(torchCommand(root, "engine", ["row"], { PEFT_PYTHON: "/opt/python" })).toEqual({
      command: "/opt/python",
      args: [script, "row"],
    });
  });

  it("is a sentence that says how to get it where it is missing", () => {
    expect(torchCommand(root, "engine", ["row"], {})).toContain("reference/bench/engine.py");
    touch("reference/bench/engine.py");
    expect(torchCommand(root, "engine", ["row"], {})).toContain("pnpm reference:setup");
  });
});
