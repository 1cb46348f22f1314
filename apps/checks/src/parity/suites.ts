// What is compared with the original implementations. Adding a suite is adding it to the list.
import { bottleneck } from "./bottleneck.js";
import { mosa } from "./mosa.js";
import { ops } from "./ops.js";
import { peft } from "./peft.js";
import type { ParitySuite } from "./rows.js";
import { vit } from "./vit.js";

export const suites: ParitySuite[] = [ops, vit, peft, bottleneck, mosa];
