// Tools for tests of MoSA's agreement with the original.

// Makes MoSA known to the loading of files.
import "../index.js";

export { CASES, type Comparison, replay } from "./replay.js";
export { replaySide, type SideInfo } from "./side.js";
