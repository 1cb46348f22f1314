// Where the fixtures are that `reference/` made.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FIXTURES = fileURLToPath(new URL("../../../fixtures", import.meta.url));

export function fixtureFolder(suite: string): string {
  return join(FIXTURES, suite);
}
