// The two engines, one after the other.
import { useEngine } from "@peft/core";

/** Measures on both engines; the compiled one is left in use. */
export async function onBothEngines<T>(measure: () => Promise<T>): Promise<{ eager: T; compiled: T }> {
  await useEngine("eager");
  const eager = await measure();
  await useEngine("compiled", { threads: 2 });
  return { eager, compiled: await measure() };
}
