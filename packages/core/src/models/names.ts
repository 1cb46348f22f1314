// The two spellings of module names. transformers 5 renamed modules of some models in memory, and PEFT's adapter files use
// those names; checkpoint files and transformers 4 have the older ones, which are this library's own (`encoder-hosts.md` §1).

/** `hf4`: as in checkpoint files and in transformers 4. `hf5`: as transformers 5 has it in memory, and PEFT in its files. */
export type Naming = "hf4" | "hf5";

/** Translates dotted names of modules, of parameters, and of an adapter's tensors under them. */
export interface NameTable {
  /** In the host's own spelling, from either. */
  toHost(name: string): string;
  to(naming: Naming, name: string): string;
}

/** For a host whose names have not changed. */
export const SAME_NAMES: NameTable = { toHost: (name) => name, to: (_, name) => name };

/**
 * A table from pairs of dotted names, the longer first where one ends like the other. `{i}` stands for a number. A pair
 * applies anywhere in a name, to whole segments.
 */
export function nameTable(pairs: readonly (readonly [hf4: string, hf5: string])[]): NameTable {
  const rules = (from: 0 | 1, to: 0 | 1): [RegExp, string][] =>
    pairs.map((pair) => [
      new RegExp(`(^|\\.)${pair[from].replaceAll(".", "\\.").replace("{i}", "(\\d+)")}(?=\\.|$)`),
      `$1${pair[to].replace("{i}", "$2")}`,
    ]);
  const forth = rules(0, 1);
  const back = rules(1, 0);
  const apply = (list: [RegExp, string][], name: string): string =>
    list.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), name);
  return {
    toHost: (name) => apply(back, name),
    to: (naming, name) => (naming === "hf5" ? apply(forth, name) : name),
  };
}

/**
 * The table of a model whose modules stand under a prefix in transformers 4 and in files, and without it in transformers 5.
 *
 * @param prefix with its dot
 * @param children the modules under it, by which a name without it is known
 * @param isDropped whether transformers 5 has dropped it from this model; if not, names without it are read all the same
 */
export function prefixTable(prefix: string, children: readonly string[], isDropped: boolean): NameTable {
  const bare = new RegExp(`^(${children.join("|")})(?=\\.|$)`);
  return {
    toHost: (name) => (bare.test(name) ? prefix + name : name),
    to: (naming, name) => (isDropped && naming === "hf5" && name.startsWith(prefix) ? name.slice(prefix.length) : name),
  };
}
