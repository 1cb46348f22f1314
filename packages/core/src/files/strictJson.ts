// JSON from strangers: `JSON.parse` keeps the last of two equal keys without a word, so that two readers of one file
// may see different contents. Here a repeated key is an error.

/** Parses JSON; throws a SyntaxError also where an object has one key twice. */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedKeys(text);
  return value;
}

/** `text` is known to be valid JSON, so that it suffices to look at its strings and braces. */
function refuseRepeatedKeys(text: string): void {
  const open: Set<string>[] = []; // the keys of each object that is not closed yet
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      const end = endOfString(text, i);
      if (isFollowedByColon(text, end)) {
        const key = JSON.parse(text.slice(i, end)) as string;
        const keys = open.at(-1)!;
        if (keys.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key.slice(0, 100))} occurs twice`);
        keys.add(key);
      }
      i = end - 1;
    }
  }
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

function isFollowedByColon(text: string, start: number): boolean {
  let i = start;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  return text[i] === ":";
}
