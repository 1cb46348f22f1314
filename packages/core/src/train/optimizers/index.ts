// Optimizers.

export { type AdamOptions, adamW, adamWLegacy } from "./adamW.js";
export type { Optimizer, Update, Updated, UpdateSettings } from "./optimizer.js";
export { type SgdOptions, sgd } from "./sgd.js";
