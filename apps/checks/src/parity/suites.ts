// What is compared with the original implementations. Adding a suite is adding it to the list.
import { bart } from "./bart.js";
import { bottleneck } from "./bottleneck.js";
import { generation } from "./generation.js";
import { mosa } from "./mosa.js";
import { ops } from "./ops.js";
import { peft } from "./peft.js";
import type { ParitySuite } from "./rows.js";
import { t5 } from "./t5.js";
import { vit } from "./vit.js";

export const suites: ParitySuite[] = [ops, vit, t5, bart, generation, peft, bottleneck, mosa];
