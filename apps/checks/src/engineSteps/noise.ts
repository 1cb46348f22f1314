/** Numbers of the size of a new model's weights, quickly made: within +-scale, 0.035 by default. */
export function noise(length: number, scale = 0.035): Float32Array {
  const numbers = new Float32Array(length);
  for (let i = 0, word = length; i < length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    numbers[i] = (word / 2 ** 32 - 0.5) * 2 * scale;
  }
  return numbers;
}
