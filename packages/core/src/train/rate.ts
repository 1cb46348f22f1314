// How fast steps are done, over the last few of them.

/** Steps that the rate is the mean of: enough to even out, few enough to follow a change. */
const WINDOW = 20;

export class StepRate {
  readonly #seconds: number[] = [];
  #compiling = true;

  /** Counts a step that took this long. The first is forgotten when there is a second: it holds the compilation. */
  add(seconds: number): void {
    if (this.#compiling && this.#seconds.length === 1) {
      this.#seconds.pop();
      this.#compiling = false;
    }
    this.#seconds.push(seconds);
    if (this.#seconds.length > WINDOW) this.#seconds.shift();
  }

  /** Steps a second. */
  get value(): number {
    return this.#seconds.length / this.#seconds.reduce((sum, seconds) => sum + seconds, 0);
  }
}
