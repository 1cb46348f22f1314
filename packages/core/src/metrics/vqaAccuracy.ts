// VQA accuracy (Antol et al. 2015, §4): an answer is right as far as three of ten people gave it. The normalisation is that of the
// evaluation that VL-Adapter's numbers come from (vl-adapter.md §6.6).

import { PeftError } from "../errors.js";
import { mean } from "./classification.js";
import { strip, words } from "./pythonText.js";

/** Each is deleted where it touches a blank, or where the answer has a number such as 1,000; else it becomes a blank. */
const PUNCTUATION = [...'; / [ ] " { } ( ) = + \\ _ - > < @ ` , ? !'.replaceAll(" ", "")];
const THOUSANDS = /\p{Nd},\p{Nd}/u;
const POINT = /\.(?!\p{Nd})/gu;
/** Python's `re.UNICODE` stands where a number of replacements is expected, and counts as 32. */
const MOST_POINTS = 32;
const NUMBERS: ReadonlyMap<string, string> = new Map(
  ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    .map((word, i) => [word, `${i}`] as const)
    .concat([["none", "0"]]),
);
const ARTICLES: ReadonlySet<string> = new Set(["a", "an", "the"]);
/** Contractions that are found where one apostrophe is missing. */
const CONTRACTED = `'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
  haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't
  needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
  someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're
  there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're what's what've when's where'd
  where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've
  y'all'll you'd you'd've you'll you're you've`;
/** By what is written; one entry goes the other way. */
const CONTRACTIONS: ReadonlyMap<string, string> = new Map([
  ...words(CONTRACTED).flatMap((word) => withoutOneApostrophe(word).map((written) => [written, word] as const)),
  ["somebody'd", "somebodyd"],
]);

/**
 * How right an answer is, 0 to 1: the mean over the people of min(1, others who gave the answer / 3). The prediction is
 * normalised; people's answers lose their punctuation, unless all are alike.
 *
 * @param answers what people said, usually ten
 * @throws PeftError ARGUMENT_INVALID without an answer
 */
export function vqaAccuracy(prediction: string, answers: readonly string[]): number {
  if (answers.length === 0) throw new PeftError("ARGUMENT_INVALID", "there is no answer to compare with");
  const given = normalizeVqaAnswer(prediction);
  const clean = answers.map(trimmed);
  const said = new Set(clean).size > 1 ? clean.map(withoutPunctuation) : clean;
  const agreeing = said.filter((answer) => answer === given).length;
  return mean(said.map((answer) => Math.min(1, (agreeing - (answer === given ? 1 : 0)) / 3)));
}

/** An answer without punctuation, capitals and articles, with digits for number words and apostrophes in contractions. */
export function normalizeVqaAnswer(answer: string): string {
  return words(withoutPunctuation(trimmed(answer)).toLowerCase())
    .map((word) => NUMBERS.get(word) ?? word)
    .filter((word) => !ARTICLES.has(word))
    .map((word) => CONTRACTIONS.get(word) ?? word)
    .join(" ");
}

function trimmed(answer: string): string {
  return strip(answer.replace(/[\n\t]/g, " "));
}

function withoutPunctuation(answer: string): string {
  const hasThousands = THOUSANDS.test(answer);
  const spaced = PUNCTUATION.reduce((text, mark) => {
    const isDeleted = hasThousands || answer.includes(`${mark} `) || answer.includes(` ${mark}`);
    return text.replaceAll(mark, isDeleted ? "" : " ");
  }, answer);
  let points = 0;
  return spaced.replace(POINT, (point) => (points++ < MOST_POINTS ? "" : point));
}

function withoutOneApostrophe(word: string): string[] {
  return [...word].flatMap((letter, i) => (letter === "'" ? [word.slice(0, i) + word.slice(i + 1)] : []));
}
