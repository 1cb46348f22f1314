import { env, PeftError } from "@peft/core";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { MosaConfig, type MosaFields } from "../src/index.js";

describe("MosaConfig", () => {
  it("has the defaults of the published scripts, and the style's", () => {
    const config = new MosaConfig();
    expect(config).toMatchObject({ bottleneck: 64, numExperts: 4, split: "up-only", addWeight: 0, regWeight: 1 });
    expect(config.adapterOptions()).toMatchObject({ activation: "gelu", scale: 0.1, dropout: 0.1, norm: true });
    const of = (style: MosaFields["style"]) => new MosaConfig({ style }).adapterOptions();
    expect(of("pfeiffer")).toMatchObject({ activation: "relu", scale: 1, dropout: 0, norm: true });
    expect(of("houlsby")).toMatchObject({ activation: "silu", scale: 1, dropout: 0, norm: false });
    expect(of("swin")).toMatchObject({ activation: "gelu", scale: 0.1, dropout: 0.1, norm: false });
    expect(of("lora")).toMatchObject({ bottleneck: 16, scale: 1, dropout: 0 });
    expect(new MosaConfig({ style: "lora" }).mode).toBe("qv");
  });

  it.each<[string, Partial<MosaFields>]>([
    ["numExperts", { numExperts: 0 }],
    ["numExperts", { numExperts: 257 }],
    ["numExperts", { numExperts: 2.5 }],
    ["bottleneck", { bottleneck: 0 }],
    ["dropout", { dropout: 1 }],
    ["regWeight", { regWeight: -1 }],
    ["addWeight", { addWeight: Number.NaN }],
    ["deepReg", { deepReg: true, secondPass: false }],
    ["addWeight", { addWeight: 1, secondPass: false }],
    ["split", { split: "none" as "both" }],
    ["experts", { experts: 4 } as Partial<MosaFields>],
    ["mode", { mode: "qv" }],
    ["mode", { style: "lora", mode: "qq" }],
    ["mode", { style: "lora", mode: "x" }],
    ["scale", { style: "lora", scale: "learned" }],
    ["activation", { style: "lora", activation: "relu" }],
    ["splitBias", { style: "lora", splitBias: true }],
    ["merge", { sparse: false, merge: "owner" }],
    ["splitBias", { sparse: false, splitBias: true }],
  ])("refuses a wrong %s: %o", (place, fields) => {
    const error = (() => {
      try {
        return new MosaConfig(fields);
      } catch (found) {
        return found;
      }
    })();
    expect(error).toBeInstanceOf(PeftError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", place });
  });

  it("reads any JSON as a config or refuses it with CONFIG_INVALID", () => {
    const { warn } = env;
    env.warn = () => {};
    onTestFinished(() => {
      env.warn = warn;
    });
    const values = fc.dictionary(fc.constantFrom("num_experts", "split", "scale", "merge", "deep_reg"), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), values), (json) => {
        try {
          expect(MosaConfig.fromJSON(json)).toBeInstanceOf(MosaConfig);
        } catch (error) {
          expect(error).toMatchObject({ code: "CONFIG_INVALID" });
        }
      }),
    );
  });
});
