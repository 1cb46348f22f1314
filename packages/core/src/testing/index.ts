// Tools for tests of hosts and methods.

export { describePeftMethod, type PeftMethodCase, type TestRunner } from "./behaviour.js";
export { BOUNDS, changeError, expectClose, largest, type Numbers, type Row, relativeError } from "./error.js";
export { fillGolden, goldenArray, mulberry32 } from "./mulberry32.js";
