import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { minimalNames } from "../../src/adapters/minimalNames.js";
import { editDistance, nearestNames } from "../../src/adapters/nearest.js";
import { fullMatch } from "../../src/adapters/pythonPattern.js";
import {
  env,
  findTargets,
  firstMatch,
  getPeftModel,
  LoraConfig,
  namedModules,
  type PeftWarning,
  type Targets,
  ViTForImageClassification,
} from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

const host = await ViTForImageClassification.fromPretrained(join(FIXTURES, "vit", "tiny"));
const find = (targetModules: Targets, rules: object = {}): string[] => findTargets(host, { targetModules, ...rules });
const layer = (i: number, name: string): string => `vit.encoder.layer.${i}.${name}`;
const both = (...names: string[]): string[] => [0, 1].flatMap((i) => names.map((name) => layer(i, name)));

const warnings: PeftWarning[] = [];
const { warn } = env;
beforeEach(() => {
  warnings.length = 0;
  env.warn = (warning) => warnings.push(warning);
});
afterEach(() => {
  env.warn = warn;
});

describe("targets", () => {
  it("are found by the end of a path, in either generation of names", () => {
    const wanted = both("attention.attention.query", "attention.attention.value");
    expect(find(["query", "value"])).toEqual(wanted);
    expect(find(["q_proj", "v_proj"])).toEqual(wanted);
    expect(find(["attention.q_proj", "attention.attention.value"])).toEqual(wanted);
    expect(find(["uery", "o_proj"])).toEqual(both("attention.output.dense"));
  });

  it("are found by a Python pattern that must match the whole path", () => {
    expect(find(".*query")).toEqual(both("attention.attention.query"));
    expect(find(String.raw`.*\.layers\.1\.(attention\.o_proj|mlp\.fc[12])`)).toEqual(
      ["attention.output.dense", "intermediate.dense", "output.dense"].map((name) => layer(1, name)),
    );
    expect(() => find("query")).toThrow(/no module of the model is meant by "query"/);
    expect(() => find(".*quer")).toThrow(/query/);
  });

  it("are found by a RegExp as it is, also a global one", () => {
    expect(find(/query$/g)).toEqual(both("attention.attention.query"));
    expect(find(/Q_PROJ/i)).toEqual(both("attention.attention.query"));
  });

  it("are all linear layers but the head for all-linear", () => {
    const names = ["attention.attention.query", "attention.attention.key", "attention.attention.value"];
    expect(find("all-linear")).toEqual(both(...names, "attention.output.dense", "intermediate.dense", "output.dense"));
  });

  it("leave out what is excluded, and what is trained as a whole", () => {
    expect(find(["query", "value"], { excludeModules: ["layers.0.attention.q_proj", "value"] })).toEqual([
      layer(1, "attention.attention.query"),
    ]);
    expect(find(["query"], { excludeModules: ".*layer\\.0.*" })).toEqual([layer(1, "attention.attention.query")]);
    expect(find(["query", "classifier"], { modulesToSave: ["classifier"] })).toEqual(both("attention.attention.query"));
    expect(warnings).toEqual([]);
  });

  it("are kept to some layers by the number in their path, unless named by the whole path", () => {
    expect(find(["query"], { layersToTransform: 1 })).toEqual([layer(1, "attention.attention.query")]);
    expect(find(["query"], { layersToTransform: [0], layersPattern: "layer" })).toEqual([
      layer(0, "attention.attention.query"),
    ]);
    expect(find(["query"], { layersToTransform: [0], layersPattern: ["h", "layers"] })).toEqual([
      layer(0, "attention.attention.query"),
    ]);
    expect(find([layer(0, "attention.attention.query"), "value"], { layersToTransform: [1] })).toEqual([
      layer(0, "attention.attention.query"),
      layer(1, "attention.attention.value"),
    ]);
  });

  it("that are not there are an error with the nearest names, and the host stays as it was", () => {
    const before = [...namedModules(host)];
    const config = new LoraConfig({ targetModules: ["querry"] });
    expect(() => getPeftModel(host, config)).toThrowError(
      expect.objectContaining({ code: "TARGET_NOT_FOUND", hint: expect.stringContaining("query") }),
    );
    expect(() =>
      getPeftModel(host, config.with({ targetModules: "all-linear", modulesToSave: ["clasifier"] })),
    ).toThrowError(expect.objectContaining({ code: "TARGET_NOT_FOUND", hint: expect.stringContaining("classifier") }));
    expect(() => getPeftModel(host, config.with({ targetModules: ["attention"] }))).toThrowError(
      expect.objectContaining({ code: "TARGET_UNSUPPORTED" }),
    );
    for (const [i, [path, module]] of [...namedModules(host)].entries()) {
      expect(path).toBe(before[i]![0]);
      expect(module).toBe(before[i]![1]);
    }
  });

  it("warn of entries of a list that match nothing, with the nearest names", () => {
    expect(find(["query", "v_prj"])).toEqual(both("attention.attention.query"));
    expect(warnings.map(({ code }) => code)).toEqual(["TARGET_PARTIAL"]);
    expect(warnings[0]!.message).toContain("v_proj");
  });
});

describe("patterns for ranks", () => {
  it("fit the end of a path, the first that fits counts, in either spelling", () => {
    const path = layer(1, "attention.attention.query");
    const at = (patterns: Record<string, number>) => firstMatch(patterns, path, host.names, "rankPattern");
    expect(at({ query: 1 })).toBe(1);
    expect(at({ q_proj: 2, query: 1 })).toBe(2);
    expect(at({ uery: 1 })).toBeUndefined();
    expect(at({ "layers\\.0\\..*": 1, "layer\\.1\\..*": 4 })).toBe(4);
    expect(at({ "query.x": 1 })).toBeUndefined();
  });
});

describe("Python's regular expressions", () => {
  it("are understood: named groups, flags at the start, ends, comments", () => {
    const matches = (pattern: string, text: string) => fullMatch(pattern, "test").test(text);
    expect(matches("(?P<a>x|y)-(?P=a)", "x-x")).toBe(true);
    expect(matches("(?P<a>x|y)-(?P=a)", "x-y")).toBe(false);
    expect(matches("(?i)ABC", "abc")).toBe(true);
    expect(matches("a\\Z", "a")).toBe(true);
    expect(matches("\\Aa", "a")).toBe(true);
    expect(matches("a(?#why)b", "ab")).toBe(true);
    expect(matches("a|ab", "ab")).toBe(true);
    expect(matches("\\(\\?P<a>x", "(?P<a>x")).toBe(true);
    expect(matches("a.c", "a\nc")).toBe(false);
    expect(matches("(?s)a.c", "a\nc")).toBe(true);
  });

  it("that JavaScript cannot express are an error, not another meaning", () => {
    for (const pattern of ["(?x) a", "(?i:a)", "(?>a)b", "a++", "(", "(?(1)a|b)", "[z-a]"]) {
      expect(() => fullMatch(pattern, "test"), pattern).toThrowError(
        expect.objectContaining({ code: "CONFIG_INVALID" }),
      );
    }
  });

  it("never break but with the library's own error", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (pattern) => {
        try {
          fullMatch(pattern, "test");
        } catch (error) {
          expect(error).toMatchObject({ code: "CONFIG_INVALID" });
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("names", () => {
  it("of a ViT are the same after a way to transformers 5 and back", () => {
    for (const name of host.parameters().keys()) {
      const there = host.names.to("hf5", name);
      expect(host.names.toHost(there)).toBe(name);
      expect(host.names.toHost(name)).toBe(name);
      expect(host.names.to("hf4", name)).toBe(name);
    }
    expect(host.names.to("hf5", `${layer(3, "attention.attention.query")}.lora_A.weight`)).toBe(
      "vit.layers.3.attention.q_proj.lora_A.weight",
    );
    expect(host.names.to("hf5", layer(0, "attention.output.dense"))).toBe("vit.layers.0.attention.o_proj");
    expect(host.names.to("hf5", layer(0, "output.dense"))).toBe("vit.layers.0.mlp.fc2");
    expect(host.names.to("hf5", layer(0, "bottleneck.attention.down"))).toBe("vit.layers.0.bottleneck.attention.down");
  });

  it("are made as short as still means the targets and nothing else", () => {
    const paths = [...namedModules(host)].map(([path]) => path).filter(Boolean);
    fc.assert(
      fc.property(fc.subarray(paths, { minLength: 1 }), (targets) => {
        const others = paths.filter((path) => !targets.includes(path));
        const names = minimalNames(targets, others);
        const found = paths.filter((path) => names.some((name) => path === name || path.endsWith(`.${name}`)));
        expect(found).toEqual(targets);
      }),
    );
    expect(minimalNames(["a.0.q", "a.1.q"], ["a.0.k", "a.1.k"])).toEqual(["q"]);
    expect(minimalNames(["a.1.q"], ["a.0.q"])).toEqual(["1.q"]);
  });

  it("nearest to a wrong one are found by edit distance over ends of paths", () => {
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(editDistance("", "abc")).toBe(3);
    expect(nearestNames("querry", ["a.query", "a.key"])[0]).toBe("query");
    expect(nearestNames("layer.1.qery", ["x.layer.0.query", "x.layer.1.query"])[0]).toBe("layer.{i}.query");
  });
});
