// The names most like one that was not found, for errors and warnings.

const SHOWN = 5;

/** The names closest to `wanted`, or ends of them with as many segments, numbers written as {i}; the closest first. */
export function nearestNames(wanted: string, names: Iterable<string>): string[] {
  const segments = wanted.split(".").length;
  const distances = new Map<string, number>();
  for (const name of names) {
    const end = name.split(".").slice(-segments).join(".");
    const shown = end.replace(/(^|\.)\d+(?=\.|$)/g, "$1{i}");
    const distance = editDistance(wanted.toLowerCase(), end.toLowerCase());
    if (distance < (distances.get(shown) ?? Number.POSITIVE_INFINITY)) distances.set(shown, distance);
  }
  return [...distances]
    .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
    .slice(0, SHOWN)
    .map(([name]) => name);
}

/** Levenshtein's. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
