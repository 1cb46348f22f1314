// A map that keeps what was used last, and lets the others go.

/**
 * How many forms of a function are kept, one for each signature of its arguments, and how many sessions a device has. Each
 * session holds its graph and its memory, and making and releasing one leaks natively (ONNX Runtime 1.30), so few should go:
 * lengths that change are better padded to a few (`SequenceLoader`).
 */
export const MOST_KEPT = 64;

export class Recent<V> {
  readonly #entries = new Map<string, V>();

  /** The value of a key, which is then the last used. */
  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (this.#entries.delete(key)) this.#entries.set(key, value as V);
    return value;
  }

  /** @returns the key that had to go, if one had */
  set(key: string, value: V): string | undefined {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= MOST_KEPT) return undefined;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest!);
    return oldest;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
