// The package as it is built and published: what its manifest names is there, and both module systems see the same.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const folder = join(import.meta.dirname, "..");

type Target = string | { [condition: string]: Target };
interface Manifest {
  name: string;
  engines: { node: string };
  files: string[];
  exports: Record<string, Target>;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

function files(target: Target): string[] {
  return typeof target === "string" ? [target] : Object.values(target).flatMap(files);
}

/** What a function makes of an entry's exports in a fresh process. @param code its source */
function inside<T>(entry: string, how: "import" | "require", code: string): T {
  const load = how === "import" ? `await import("${entry}")` : `require("${entry}")`;
  const type = how === "import" ? "module" : "commonjs";
  const program = `console.log(JSON.stringify((${code})(${load})))`;
  return JSON.parse(
    execFileSync(process.execPath, [`--input-type=${type}`, "-e", program], { cwd: folder, encoding: "utf8" }),
  ) as T;
}

/** The names that an entry exports. */
function exported(entry: string, how: "import" | "require"): string[] {
  return inside<string[]>(entry, how, "Object.keys")
    .filter((name) => name !== "default")
    .sort();
}

describe("the package", () => {
  const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target !== "string");

  it("has every file that its exports name, once built", () => {
    const missing = Object.values(manifest.exports)
      .flatMap(files)
      .filter((file) => !existsSync(join(folder, file)));
    expect(missing).toEqual([]);
  });

  it("puts types first in every condition, so that TypeScript finds them", () => {
    for (const [entry, target] of entries) {
      for (const condition of ["import", "require"]) {
        const conditions = Object.keys((target as Record<string, Record<string, string>>)[condition] ?? {});
        expect({ entry, condition, first: conditions[0] }).toEqual({ entry, condition, first: "types" });
      }
    }
  });

  it.each(entries.map(([entry]) => manifest.name + entry.slice(1)))(
    "exports the same from %s as ES module and CommonJS",
    (name) => {
      expect(exported(name, "require")).toEqual(exported(name, "import"));
    },
  );

  it.each(["import", "require"] as const)("has classes of the names that they are exported by, by %s", (how) => {
    const classes =
      "(all) => Object.entries(all).filter(([, it]) => /^class\\b/.test(it)).map(([key, it]) => [key, it.name])";
    const found = inside<[string, string][]>(manifest.name, how, classes);
    expect(found.length).toBeGreaterThan(50);
    expect(found.filter(([key, name]) => key !== name)).toEqual([]);
  });

  it("pins its dependencies and has no script that runs at installation", () => {
    const versions = { ...manifest.dependencies, ...manifest.peerDependencies };
    const loose = Object.entries(versions).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    expect(loose).toEqual([]);
    const scripts = ["preinstall", "install", "postinstall", "prepare"].filter((script) => script in manifest.scripts);
    expect(scripts).toEqual([]);
    expect(manifest.engines.node).toBe(">=20.19");
  });
});
