// A length cut into pieces: lanes of samples, tiles of queries.

export type Range = readonly [from: number, to: number];

/** Ranges of `size` from 0 to `length`, ends excluded; the last has the rest. */
export function rangesOf(length: number, size: number): Range[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => [i * size, Math.min(length, (i + 1) * size)]);
}
