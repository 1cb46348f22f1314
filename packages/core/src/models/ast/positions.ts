// The table of position embeddings for sounds of another length, as the original adapts it (`ast_models.py` of
// YuanGongND/ast): the middle of a longer table, or a shorter one stretched.

import { PeftError } from "../../errors.js";
import type { PatchGrid } from "./config.js";

/** Rows before the patches': of the two tokens in front. */
const FIRST = 2;

/**
 * @param table [2 + frequency * time, width], row-major
 * @param from its grid, @param to the wanted one, with as many patches along frequency
 * @returns [2 + frequency * time', width]
 */
export function adaptPositions(table: Float32Array, from: PatchGrid, to: PatchGrid): Float32Array {
  const [frequency, time] = from;
  if (to[0] !== frequency) {
    throw new PeftError("ARGUMENT_INVALID", `positions are adapted along time only, not from ${from} to ${to} patches`);
  }
  const width = table.length / (FIRST + frequency * time);
  const adapted = new Float32Array((FIRST + frequency * to[1]) * width);
  adapted.set(table.subarray(0, FIRST * width));
  for (let row = 0; row < frequency; row++) {
    for (let column = 0; column < to[1]; column++) {
      const [left, right, share] = sourceOf(column, time, to[1]);
      const at = (place: number): number => (FIRST + row * time + place) * width;
      const target = (FIRST + row * to[1] + column) * width;
      for (let i = 0; i < width; i++) {
        adapted[target + i] = (1 - share) * table[at(left) + i]! + share * table[at(right) + i]!;
      }
    }
  }
  return adapted;
}

/** The two columns that a column is made of, and the share of the second. */
function sourceOf(column: number, from: number, to: number): [left: number, right: number, share: number] {
  if (to <= from) {
    const place = Math.floor(from / 2) - Math.floor(to / 2) + column;
    return [place, place, 0];
  }
  // torch.nn.functional.interpolate, bilinear, with align_corners=False.
  const place = Math.max(0, ((column + 0.5) * from) / to - 0.5);
  const left = Math.floor(place);
  return [left, Math.min(left + 1, from - 1), place - left];
}
