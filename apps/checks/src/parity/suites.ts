// What is compared with the original implementations. Adding a suite is adding it to the list.
import { adapterHub } from "./adapterHub.js";
import { ast } from "./ast.js";
import { bart } from "./bart.js";
import { bert } from "./bert.js";
import { bottleneck } from "./bottleneck.js";
import { clip } from "./clip.js";
import { generation } from "./generation.js";
import { mosa } from "./mosa.js";
import { ops } from "./ops.js";
import { peft } from "./peft.js";
import { prompts } from "./prompts.js";
import { roberta } from "./roberta.js";
import type { ParitySuite } from "./rows.js";
import { swin } from "./swin.js";
import { t5 } from "./t5.js";
import { tokenizers } from "./tokenizers.js";
import { vit } from "./vit.js";

export const suites: ParitySuite[] = [
  ops,
  ...[vit, swin, clip, ast, bert, roberta, t5, bart],
  ...[tokenizers, generation],
  ...[peft, prompts, bottleneck, adapterHub, mosa],
];
