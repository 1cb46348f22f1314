import { describe, expect, it } from "vitest";
import { formatParity } from "../../src/parity/format.js";
import { row } from "../../src/parity/rows.js";

describe("parity rows", () => {
  it("are ok up to their bound and never with NaN", () => {
    expect(row("ViT / logits", "output", 1e-5).ok).toBe(true);
    expect(row("ViT / logits", "output", 1.1e-5).ok).toBe(false);
    expect(row("ViT / logits", "output", Number.NaN).ok).toBe(false);
    expect(row("ViT / logits", "output", 1.1e-5, 2e-5).ok).toBe(true);
  });

  it("make a table that points at what missed", () => {
    const table = formatParity([row("ViT / logits", "output", 3.2e-7), row("MoSA / step 10", "step", 0.5)]);
    expect(table).toContain("ViT / logits    output    3.20e-7     1e-5  ok");
    expect(table).toContain("MoSA / step 10  step      5.00e-1     1e-3  MISSED");
    expect(table).toContain("1 of 2 rows missed");
  });
});
