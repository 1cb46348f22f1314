// `peft export`: a model, with or without an adapter, as an ONNX file.

import type { DType, Spec } from "../engine/index.js";
import { loadHost } from "../models/index.js";
import { exportOnnx } from "../onnx/exportOnnx.js";
import { ADAPTED_OPTIONS, ADAPTED_USAGE, loadAdapted } from "./adapted.js";
import { type Command, parse, required, UsageError } from "./command.js";

/** `pixelValues=1,3,224,224` or `inputIds=1,128:int32`. */
const INPUT = /^(?<name>\w+)=(?<shape>\d+(?:,\d+)*)(?::(?<dtype>float32|int32|bool))?$/;

export const exportModel: Command = {
  summary: "writes a model as an ONNX file",
  usage: `peft export --model DIR [--adapter DIR] --input SPEC --out FILE [--keep-adapter] [--use PACKAGE]

${ADAPTED_USAGE}
  --input SPEC    an input's name, shape and type (float32 by default): pixelValues=1,3,224,224 or inputIds=1,128:int32;
                  given once for each input
  --out FILE      the file, such as model.onnx
  --keep-adapter  the adapter stays beside the host's weights instead of being merged into them`,
  async run(args) {
    const options = { input: { type: "string", multiple: true }, "keep-adapter": { type: "boolean" } } as const;
    const parsed = parse(args, { ...ADAPTED_OPTIONS, ...options });
    const out = required(parsed, "out");
    const inputs = inputSpecs((parsed.values.input as readonly string[] | undefined) ?? []);
    const load = async () => {
      if (parsed.values.adapter === undefined) return loadHost(required(parsed, "model"));
      const model = await loadAdapted(parsed);
      return parsed.values["keep-adapter"] ? model : model.mergeAndUnload();
    };
    await exportOnnx(await load(), out, inputs);
    return `written to ${out}`;
  },
};

function inputSpecs(texts: readonly string[]): Record<string, Spec> {
  if (texts.length === 0) throw new UsageError("--input is missing, such as --input pixelValues=1,3,224,224");
  return Object.fromEntries(
    texts.map((text) => {
      const { name, shape, dtype = "float32" } = INPUT.exec(text)?.groups ?? {};
      if (!name || !shape) throw new UsageError(`"${text}" is not NAME=SHAPE[:TYPE]`);
      return [name, { shape: shape.split(",").map(Number), dtype: dtype as DType }];
    }),
  );
}
