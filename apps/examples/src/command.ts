// The command lines that a run prints: to repeat it, and to go on after an interrupt.

/** An option's value as the command line parsed it; undefined and false are options that were not given. */
type Value = string | number | boolean | undefined;

/** `pnpm example NAME --data … --seeds 3`: the options in kebab case, arguments quoted for a POSIX shell where needed. */
export function repeatCommand(name: string, options: object): string {
  const words = Object.entries(options as Record<string, Value>).flatMap(([key, value]) => {
    if (value === undefined || value === false) return [];
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [flag, quote(String(value))];
  });
  return ["pnpm", "example", name, ...words].join(" ");
}

/** `pnpm example NAME --resume FOLDER`. */
export function resumeCommand(name: string, folder: string): string {
  return repeatCommand(name, { resume: folder });
}

function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
