// Cutting a text, or a pair of texts, to a number of tokens, as Hugging Face's tokenizers do it ("longest first").

/**
 * How many tokens of each text stay. The longer loses first, until both are alike; then both lose alike, and an odd one stays
 * with the longer. Texts longer than all there is room for are alike, and then it stays with the second; the originals stop
 * at the end of a word there, so that theirs may be the other one's.
 *
 * @param first tokens of the first text, @param second of the second, 0 where there is none
 * @param maxLength of both with the special tokens
 * @param special how many of those there are
 */
export function keptTokens(
  first: number,
  second: number,
  { maxLength, special }: { maxLength: number; special: number },
): [first: number, second: number] {
  const [a, b] = [Math.min(first, maxLength), Math.min(second, maxLength)];
  const room = maxLength - special;
  if (a + b <= room) return [a, b];
  let shorter = Math.min(a, b);
  let longer = Math.max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = Math.floor(room / 2);
    longer = room - shorter;
  }
  return a <= b ? [shorter, longer] : [longer, shorter];
}
