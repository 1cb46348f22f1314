// The program of one process of a conformance run: `ROAD FIXTURES OPS`, the ops as a JSON list. It prints a JSON object a
// line: a row for each op in order, or `{ "absent": reason }` where the road cannot be taken.
import { type Road, roadAbsence } from "@peft/core/testing";
import { conform, conformanceChecks } from "@peft/core/testing/conformance";

const [road, fixtures, ops] = process.argv.slice(2) as [Road, string, string];
const wanted = new Set(JSON.parse(ops) as string[]);

const absent = await roadAbsence(road);
if (absent !== undefined) console.log(JSON.stringify({ absent }));
else {
  const checks = conformanceChecks(fixtures).filter(({ op }) => wanted.has(op));
  for await (const row of conform(road, checks)) console.log(JSON.stringify(row));
}
// Nothing is left to be done, and a device's thread need not be waited for.
process.exit();
