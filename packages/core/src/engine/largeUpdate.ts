/**
 * Of a run that updates as many bytes in place as this, nothing stays in an arena, and what the run before it left is
 * collected first: the binding copies each in-place output into an array that nobody wants, as large as the whole model's
 * weights and moments.
 */
export const LARGE_UPDATE_BYTES = 256e6;
