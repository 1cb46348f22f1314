// The README.md beside a saved adapter, with the front matter that the hub reads.

/** @param config the object of `adapter_config.json` */
export function modelCard(config: Readonly<Record<string, unknown>>): string {
  const base = typeof config.base_model_name_or_path === "string" ? config.base_model_name_or_path : undefined;
  const type = String(config.peft_type);
  const front = [
    ...(base ? [`base_model: ${JSON.stringify(base)}`] : []),
    "library_name: peft",
    "tags:",
    ...(base ? [`- ${JSON.stringify(`base_model:adapter:${base}`)}`] : []),
    `- ${type.toLowerCase()}`,
  ];
  return `---
${front.join("\n")}
---

# ${type} adapter${base ? ` for ${base}` : ""}

Trained with [@peft/core](https://www.npmjs.com/package/@peft/core). To use it:

\`\`\`ts
import { PeftModel } from "@peft/core";

const model = await PeftModel.fromPretrained(host, "path/to/this/folder");
\`\`\`
`;
}
