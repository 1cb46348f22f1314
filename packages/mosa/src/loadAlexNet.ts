// Trained weights for a side network, from a file with torchvision's names.

import { checkTensors, openSafetensors, PeftError, type PeftModel, toFloat32 } from "@peft/core";
import { SIDE_PATH } from "./sideNetwork.js";

/**
 * Gives a side network the convolutions of an AlexNet, such as torchvision's trained on ImageNet, which are to be had from
 * PyTorch and saved as safetensors. Only `features.*` is read of the file.
 *
 * @param model with a side network (`sideNetwork()`)
 * @param file safetensors with torchvision's names
 * @param options.adapterName @defaultValue "default"
 * @throws PeftError ARGUMENT_INVALID for an adapter that is no side network; FILE_MISSING, SAFETENSORS_INVALID; KEY_MISMATCH with
 *   `{ missing, unexpected, misshapen }` before anything is changed
 */
export async function loadAlexNet(
  model: PeftModel,
  file: string,
  { adapterName = "default" }: { adapterName?: string } = {},
): Promise<void> {
  const prefix = `${SIDE_PATH}.`;
  const wanted = new Map(
    [...model.adapterParameters(adapterName)]
      .filter(([key]) => key.startsWith(`${prefix}features.`))
      .map(([key, parameter]) => [key.slice(prefix.length), parameter]),
  );
  if (wanted.size === 0) {
    throw new PeftError("ARGUMENT_INVALID", `the adapter "${adapterName}" is no side network`, {
      place: "adapterName",
    });
  }
  const source = await openSafetensors(file);
  try {
    const expected = [...wanted].map(([name, { shape, dtype }]) => [name, { shape, dtype, source: name }] as const);
    const hint = "its names are features.0.weight and so on, its shapes those of torchvision.models.alexnet";
    checkTensors(source, new Map(expected), [], file, hint);
    for (const [name, parameter] of wanted) parameter.adopt(toFloat32(await source.read(name)));
  } finally {
    await source.close();
  }
}
