// Tools for tests of hosts and methods.

export { ROADS, type Road, roadAbsence, takeRoad } from "../engine/roads.js";
export { describePeftMethod, type PeftMethodCase, type TestRunner } from "./behaviour.js";
export {
  BOUNDS,
  changeError,
  countDifferences,
  expectClose,
  gradientFloor,
  largest,
  type Numbers,
  relativeError,
  type TensorError,
  tensorErrors,
} from "./error.js";
export { type Fixture, type FixtureOptimizer, fixtureTraining, readFixture } from "./fixture.js";
export { fillGolden, goldenArray, mulberry32 } from "./mulberry32.js";
export { evaluateOps, type OpCase, type OpInfo, type OpResult, readOpCases } from "./opCases.js";
export { SMALL_HOST, SmallHost } from "./smallHost.js";
export { readAll, stepOf, type TrainingBatch, type TrainingSettings, trainSteps } from "./training.js";
