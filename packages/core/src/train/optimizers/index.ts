// Optimizers.

export { type AdafactorOptions, adafactor } from "./adafactor.js";
export { type AdamOptions, adam, adamW, adamWLegacy } from "./adam.js";
export type { Optimizer, Update, Updated, UpdateSettings } from "./optimizer.js";
export { type SgdOptions, sgd } from "./sgd.js";
