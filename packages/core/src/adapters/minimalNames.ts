// The shortest list of names that means exactly some modules and no others, which is what a config file holds.

/**
 * For each target the shortest end of its path that no other module's path has; each end once.
 *
 * @param others every other module's path
 */
export function minimalNames(targets: readonly string[], others: readonly string[]): string[] {
  const foreign = new Set(others.flatMap(ends));
  const chosen = new Set<string>();
  for (const target of targets) chosen.add(ends(target).find((end) => !foreign.has(end)) ?? target);
  return [...chosen].sort();
}

/** The ends of a path, the shortest first. */
function ends(path: string): string[] {
  const segments = path.split(".");
  return segments.map((_, i) => segments.slice(segments.length - 1 - i).join("."));
}
