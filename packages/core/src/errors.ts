// The one error class of the library: a code to branch on, what was wrong and where, and what to do about it.

/** Every way in which the library can fail on purpose. The documentation is keyed by these codes. */
export type PeftErrorCode =
  | "ADAPTER_EXISTS"
  | "ADAPTER_UNKNOWN"
  | "ARGUMENT_INVALID"
  | "AUDIO_INVALID"
  | "CHECKPOINT_INVALID"
  | "CHECKPOINT_MISMATCH"
  | "CONFIG_INVALID"
  | "DATA_EMPTY"
  | "DATA_INVALID"
  | "DISPOSED"
  | "ENGINE_BINDING_MISSING"
  | "ENGINE_DEVICE_FAILED"
  | "ENGINE_GRAPH_INVALID"
  | "ENGINE_KERNEL_MISSING"
  | "ENGINE_TRACE_READ"
  | "FILE_MISSING"
  | "FILE_UNREADABLE"
  | "FILE_UNWRITABLE"
  | "FOLDER_LOCKED"
  | "HUB_FAILED"
  | "HUB_ID"
  | "IMAGE_INVALID"
  | "JSON_INVALID"
  | "KEY_MISMATCH"
  | "LOG_INVALID"
  | "MERGE_NAN"
  | "MERGE_UNSUPPORTED"
  | "PEER_MISSING"
  | "RUN_EXISTS"
  | "SAFETENSORS_INVALID"
  | "SHAPE_MISMATCH"
  | "TARGET_NOT_FOUND"
  | "TARGET_UNSUPPORTED"
  | "TRAINING_DIVERGED";

export interface PeftErrorOptions {
  /** Where it happened: a file, a module path, a step, an option. */
  place?: string;
  /** One line that says what to do. */
  hint?: string;
  /** Machine-readable facts, such as `{ missing, unexpected, misshapen }`. */
  details?: unknown;
  cause?: unknown;
}

export class PeftError extends Error {
  readonly code: PeftErrorCode;
  readonly place?: string;
  readonly hint?: string;
  readonly details?: unknown;

  constructor(code: PeftErrorCode, message: string, options: PeftErrorOptions = {}) {
    const place = options.place ? ` (${options.place})` : "";
    const hint = options.hint ? `\n  hint: ${options.hint}` : "";
    super(`${message}${place}${hint}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PeftError";
    this.code = code;
    this.place = options.place;
    this.hint = options.hint;
    this.details = options.details;
  }
}
