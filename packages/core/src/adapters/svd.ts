// The singular value decomposition, by Jacobi rotations of the columns (Hestenes 1958): short, and accurate to the last
// digits of double precision. Meant for matrices that have few columns.

/** Columns that are orthogonal to this many parts of their lengths are taken for orthogonal. */
const ORTHOGONAL = 1e-15;
/** Rotations come to rest after about ten rounds over all pairs; without end would be a mistake. */
const MAX_ROUNDS = 60;

export interface ThinSvd {
  /** The left singular vectors, one array each; zero where the singular value is. */
  readonly u: readonly Float64Array[];
  /** The singular values, the largest first. */
  readonly s: readonly number[];
  /** The right singular vectors, one array each. */
  readonly v: readonly Float64Array[];
}

/** M = sum of s_i u_i v_i^T. @param columns of M, not changed */
export function thinSvd(columns: readonly Float64Array[]): ThinSvd {
  const w = columns.map((column) => column.slice());
  const v = columns.map((_, i) => Float64Array.from(columns, (_, j) => Number(i === j)));
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let isDone = true;
    for (let p = 0; p < w.length; p++) {
      for (let q = p + 1; q < w.length; q++) {
        const [a, b, c] = [dot(w[p]!, w[p]!), dot(w[q]!, w[q]!), dot(w[p]!, w[q]!)];
        if (Math.abs(c) <= ORTHOGONAL * Math.sqrt(a * b)) continue;
        isDone = false;
        const zeta = (b - a) / (2 * c);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        for (const both of [w, v]) rotate(both[p]!, both[q]!, cosine, cosine * tangent);
      }
    }
    if (isDone) break;
  }
  const lengths = w.map((column) => Math.sqrt(dot(column, column)));
  const order = lengths.map((_, i) => i).sort((i, j) => lengths[j]! - lengths[i]!);
  return {
    u: order.map((i) => w[i]!.map((x) => (lengths[i]! > 0 ? x / lengths[i]! : 0))),
    s: order.map((i) => lengths[i]!),
    v: order.map((i) => v[i]!),
  };
}

/** The decomposition of M = B A^T, by that of the two factors: cheap where they are narrow. */
export function svdOfProduct(b: readonly Float64Array[], a: readonly Float64Array[]): ThinSvd {
  const left = thinSvd(b);
  // M = U (S V^T A^T), and what is in brackets has as few rows as B has columns.
  const rows = left.s.map((s, i) => combine(a, (k) => s * left.v[i]![k]!));
  const right = thinSvd(rows);
  return { u: right.v.map((weights) => combine(left.u, (k) => weights[k]!)), s: right.s, v: right.u };
}

function combine(columns: readonly Float64Array[], weight: (k: number) => number): Float64Array {
  const sum = new Float64Array(columns[0]!.length);
  for (const [k, column] of columns.entries()) {
    const factor = weight(k);
    for (let i = 0; i < sum.length; i++) sum[i]! += factor * column[i]!;
  }
  return sum;
}

function rotate(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let i = 0; i < x.length; i++) {
    const [xi, yi] = [x[i]!, y[i]!];
    x[i] = cosine * xi - sine * yi;
    y[i] = sine * xi + cosine * yi;
  }
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

/** The decomposition of a matrix that has no narrow factors. @param data row-major, [rows, columns] */
export function svdOfMatrix(data: ArrayLike<number>, rows: number, columns: number): ThinSvd {
  const isTall = rows >= columns;
  const along = (count: number, length: number, at: (i: number, j: number) => number) =>
    Array.from({ length: count }, (_, i) => Float64Array.from({ length }, (_, j) => at(i, j)));
  if (isTall) return thinSvd(along(columns, rows, (j, i) => data[i * columns + j]!));
  const { u, s, v } = thinSvd(along(rows, columns, (i, j) => data[i * columns + j]!));
  return { u: v, s, v: u };
}
