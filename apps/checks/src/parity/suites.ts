// What is compared with the original implementations. Adding a suite is adding it to the list.
import { ast } from "./ast.js";
import { bert } from "./bert.js";
import { bottleneck } from "./bottleneck.js";
import { clip } from "./clip.js";
import { lora } from "./lora.js";
import { mosa } from "./mosa.js";
import { ops } from "./ops.js";
import { roberta } from "./roberta.js";
import type { ParitySuite } from "./rows.js";
import { swin } from "./swin.js";
import { tokenizers } from "./tokenizers.js";
import { vit } from "./vit.js";

export const suites: ParitySuite[] = [ops, vit, swin, clip, ast, bert, roberta, tokenizers, lora, bottleneck, mosa];
