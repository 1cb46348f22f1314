// Where the fixtures are that `reference/` made.

import { fileURLToPath } from "node:url";

export const FIXTURES: string = fileURLToPath(new URL("../../../fixtures", import.meta.url));
