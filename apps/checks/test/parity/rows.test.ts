import { describe, expect, it } from "vitest";
import { formatParity } from "../../src/parity/format.js";
import { row, skippedRow } from "../../src/parity/rows.js";

describe("parity rows", () => {
  it("are ok up to their bound and never with NaN", () => {
    expect(row("ViT / logits", "output", 1e-5).ok).toBe(true);
    expect(row("ViT / logits", "output", 1.1e-5).ok).toBe(false);
    expect(row("ViT / logits", "output", Number.NaN).ok).toBe(false);
    expect(row("ViT / logits", "output", 1.1e-5, 2e-5).ok).toBe(true);
  });

  it("make a table of comparisons, each with its worst tensor, that names what missed", () => {
    const table = formatParity([
      row("ViT / outputs / hidden.0", "output", 1e-7),
      row("ViT / outputs / logits", "output", 3.2e-7),
      row("MoSA / p_10 − p_0 / a", "step", 0.5),
      row("MoSA / p_10 − p_0 / b", "step", 1e-5),
      row("MoSA / masks", "exact", 0),
    ]);
    expect(table).toContain("ViT / outputs      output     2  3.20e-7   1e-5  ok\n");
    expect(table).toContain("MoSA / p_10 − p_0  step       2  5.00e-1   1e-3  MISSED\n");
    expect(table).toContain("MoSA / masks       exact      1        0      0  ok\n");
    expect(table).toContain("\nMISSED MoSA / p_10 − p_0 / a: 5.00e-1, bound 1e-3\n");
    expect(table).toContain("1 of 5 rows missed");
    expect(table).toContain("  output: 2 rows, worst 3.20e-7\n");
  });

  it("that could not be compared are shown as skipped, are no failure, and are not counted", () => {
    const table = formatParity([
      row("ViT / logits", "output", 1e-7),
      skippedRow("Python reads ours", "no Python here"),
    ]);
    expect(table).toMatch(/^Python reads ours .* skipped$/m);
    expect(table).toContain("\nSKIPPED Python reads ours: no Python here\n");
    expect(table).toContain("All 1 rows within their bounds.");
    expect(table).not.toContain("exact: ");
    expect(skippedRow("Python reads ours", "no Python here").ok).toBe(true);
  });
});
