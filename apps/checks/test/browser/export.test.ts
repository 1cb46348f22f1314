// An exported model in a real browser: Chromium with onnxruntime-web, on a page from a server of the test's own.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exportOnnx, getPeftModel, LoraConfig, useEngine, ViTForImageClassification } from "@peft/core";
import { goldenArray, relativeError } from "@peft/core/testing";
import { expect, it } from "vitest";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const absent = existsSync(CHROMIUM) ? "" : ` (needs Chromium: ${CHROMIUM} is not there, and CHROMIUM names no other)`;
const VIT = fileURLToPath(new URL("../../../../fixtures/vit/tiny", import.meta.url));
const PAGE = fileURLToPath(new URL("page.html", import.meta.url));
const ORT = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
const SHAPE = [2, 3, 32, 32];
const BOUND = 1e-4;

interface Answer {
  readonly logits?: number[];
  readonly error?: string;
  readonly userAgent?: string;
}

/** Opens a page in Chromium that fetches these files and posts an answer. */
async function inBrowser(files: Readonly<Record<string, { path?: string; text?: string }>>): Promise<Answer> {
  const profile = await mkdtemp(join(tmpdir(), "peft-chromium-"));
  const types: Record<string, string> = { html: "text/html", mjs: "text/javascript", wasm: "application/wasm" };
  let close = (): void => {};
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const server = createServer(async (request, response) => {
        const url = request.url!;
        if (request.method === "POST") {
          let body = "";
          for await (const chunk of request) body += chunk;
          response.end();
          resolve(JSON.parse(body) as Answer);
          return;
        }
        const file = files[url] ?? (url.startsWith("/ort/") ? { path: join(ORT, url.slice(5)) } : undefined);
        if (!file) return void response.writeHead(404).end();
        response.setHeader("content-type", types[url.split(".").at(-1)!] ?? "application/octet-stream");
        response.end(file.text ?? (await readFile(file.path!)));
      });
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
        const browser = spawn(CHROMIUM, [...flags, `http://127.0.0.1:${port}/page.html`], { stdio: "ignore" });
        browser.on("error", reject);
        browser.on("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
        close = () => {
          browser.removeAllListeners("exit");
          browser.kill("SIGKILL");
          server.closeAllConnections();
          server.close();
        };
      });
    });
  } finally {
    close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

it.skipIf(absent !== "")(
  `a ViT with LoRA gives in Chromium the logits that it gives here${absent}`,
  async () => {
    await useEngine("compiled", { threads: 2 });
    const model = getPeftModel(await ViTForImageClassification.fromPretrained(VIT), new LoraConfig({ r: 4 }));
    for (const [i, p] of [...model.trainableParameters().values()].entries())
      await p.write(goldenArray(i, p.size, 0.2));
    const data = goldenArray(7, 2 * 3 * 32 * 32, 1);
    const { logits } = await model({ pixelValues: { data, shape: SHAPE, dtype: "float32" } });
    const expected = (await logits.data<"float32">()).slice();
    logits.dispose();
    const folder = await mkdtemp(join(tmpdir(), "peft-onnx-"));
    try {
      const path = join(folder, "model.onnx");
      await exportOnnx(model, path, { pixelValues: { shape: SHAPE, dtype: "float32" } });
      const text = JSON.stringify({ shape: SHAPE, data: [...data] });
      const files = { "/page.html": { path: PAGE }, "/model.onnx": { path }, "/input.json": { text } };
      const answer = await inBrowser(files);
      expect(answer.error).toBeUndefined();
      expect(answer.userAgent).toMatch(/Chrome/);
      expect(relativeError(answer.logits!, expected)).toBeLessThanOrEqual(BOUND);
    } finally {
      await rm(folder, { recursive: true });
      model.dispose();
    }
  },
  120_000,
);
