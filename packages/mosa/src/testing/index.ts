// Tools for tests of MoSA's agreement with the original.

export { type Comparison, type Numbers, replay } from "./replay.js";
