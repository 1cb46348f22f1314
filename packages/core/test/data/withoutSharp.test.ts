import { expect, it, vi } from "vitest";
import { decodeImage } from "../../src/data/image.js";
import { fixturePath } from "./fixtures.js";

vi.mock("sharp", () => {
  throw new Error("Cannot find package 'sharp'");
});

it("decoding says how to install sharp where it is missing", async () => {
  await expect(decodeImage(fixturePath("decode/rgb.png"))).rejects.toMatchObject({
    code: "PEER_MISSING",
    hint: "npm install sharp",
  });
});
