// What a program may set for the whole library. The library is silent but for warnings, and never writes to standard output.

/** Something that works but is probably not what was meant. */
export interface PeftWarning {
  readonly code:
    | "CONFIG_UNKNOWN_KEY"
    | "EXPORT_APPROXIMATE"
    | "LAYOUT_PARTIAL"
    | "LOCK_TAKEN_OVER"
    | "LOG_DAMAGED"
    | "MERGE_TIED"
    | "TARGET_PARTIAL";
  readonly message: string;
}

export interface Env {
  /** Where warnings go. @defaultValue standard error */
  warn: (warning: PeftWarning) => void;
}

export const env: Env = {
  warn: ({ code, message }) => console.warn(`[peft] ${message} (${code})`),
};
