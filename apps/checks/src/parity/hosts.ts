// The two hosts of the rows on adapters, as the reference programs build them.
import { join } from "node:path";
import { type HostModel, ViTForImageClassification } from "@peft/core";
import { fillGolden, SmallHost } from "@peft/core/testing";

/** @param name as a fixture's JSON has it: "../vit/tiny", or the program that builds the small host */
export async function hostOf(fixtures: string, name: string): Promise<HostModel> {
  if (name === "../vit/tiny") return ViTForImageClassification.fromPretrained(join(fixtures, "vit", "tiny"));
  const host = new SmallHost();
  fillGolden(host.parameters());
  return host;
}
