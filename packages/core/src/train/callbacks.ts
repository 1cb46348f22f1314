// What listens to a run: is told each event before the run's consumer is, and that the run is over.

import type { TrainingEvent } from "./events.js";

export interface TrainingCallback {
  /** Awaited. An error that it throws ends the run. */
  onEvent(event: TrainingEvent): Promise<void> | void;
  /** The run is over, in whatever way. */
  onEnd?(): Promise<void> | void;
}
