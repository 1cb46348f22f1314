import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  downloadAdapter,
  getPeftModel,
  LoraConfig,
  PeftModel,
  pushToHub,
  ViTForImageClassification,
} from "../../src/index.js";
import { readAll } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const TOKEN = "hf_secret";
/** The files of the server's repositories, by repository and path. */
const repositories = new Map<string, Map<string, Buffer>>();
let server: Server;
let hubUrl = "";
let folder = "";

/** What of the hub's interface downloads and uploads use, with private repositories. */
function hub(): Server {
  return createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const json = (value: object, status = 200): void => {
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    };
    const { pathname } = new URL(request.url!, "http://localhost");
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return json({ error: "Invalid credentials" }, 401);
    if (pathname === "/api/repos/create") {
      const { organization, name } = JSON.parse(body) as { organization: string; name: string };
      const id = `${organization}/${name}`;
      if (repositories.has(id)) return json({ error: "You already created this model repo" }, 409);
      repositories.set(id, new Map());
      return json({ url: `${hubUrl}/${id}`, id });
    }
    const [, id, action, rest] =
      /^(?:\/api\/models)?\/([^/]+\/[^/]+)\/(preupload|commit|resolve)\/[^/]+\/?(.*)$/.exec(pathname) ?? [];
    const files = repositories.get(id!);
    if (!files) {
      response.setHeader("X-Error-Code", "RepoNotFound");
      return json({ error: "Repository not found" }, 404);
    }
    if (action === "preupload") {
      const { files: wanted } = JSON.parse(body) as { files: { path: string }[] };
      return json({ files: wanted.map(({ path }) => ({ path, uploadMode: "regular", shouldIgnore: false })) });
    }
    if (action === "commit") {
      for (const line of body.trim().split("\n")) {
        const { key, value } = JSON.parse(line) as { key: string; value: { path: string; content: string } };
        if (key === "file") files.set(value.path, Buffer.from(value.content, "base64"));
      }
      return json({ commitOid: "1".repeat(40), commitUrl: `${hubUrl}/${id}/commit/1`, hookOutput: "" });
    }
    const found = files.get(rest!);
    if (!found) {
      response.setHeader("X-Error-Code", "EntryNotFound");
      return json({ error: "Entry not found" }, 404);
    }
    const [, first, last] = /bytes=(\d+)-(\d+)?/.exec(request.headers.range ?? "") ?? [];
    const start = Number(first ?? 0);
    const end = Math.min(Number(last ?? found.length - 1), found.length - 1);
    response
      .writeHead(first ? 206 : 200, { ETag: '"1"', "Content-Range": `bytes ${start}-${end}/${found.length}` })
      .end(found.subarray(start, end + 1));
  });
}

beforeAll(async () => {
  server = hub();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());
beforeEach(async () => {
  repositories.clear();
  folder = await mkdtemp(join(tmpdir(), "peft-hub-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const host = () => ViTForImageClassification.fromPretrained(join(FIXTURES, "vit", "tiny"));

describe("the hub", () => {
  it("takes an adapter with its further ones, and nothing else of the folder, and gives it back bit for bit", async () => {
    const model = getPeftModel(await host(), new LoraConfig({ r: 2, initLoraWeights: false }));
    model.addAdapter("second", new LoraConfig({ r: 3, modulesToSave: null }), { seed: 2 });
    const wanted = await readAll(model.adapterParameters());
    await model.savePretrained(folder);
    await writeFile(join(folder, "notes.txt"), "not for others");
    expect(await pushToHub(folder, "someone/adapter", { accessToken: TOKEN, hubUrl, isPrivate: true })).toBe(
      `${hubUrl}/someone/adapter/commit/1`,
    );
    // A second time the repository is there.
    await pushToHub(folder, "someone/adapter", { accessToken: TOKEN, hubUrl });
    const names = ["README.md", "adapter_config.json", "adapter_model.safetensors"];
    expect([...repositories.get("someone/adapter")!.keys()]).toEqual([
      ...names,
      ...names.map((name) => `second/${name}`),
    ]);

    const there = join(folder, "downloaded");
    expect(await downloadAdapter("someone/adapter", there, { accessToken: TOKEN, hubUrl })).toBe(there);
    expect(await readdir(there)).toEqual(names);
    const loaded = await PeftModel.fromPretrained(await host(), there);
    expect(await readAll(loaded.adapterParameters())).toEqual(wanted);
    const second = join(folder, "one-of-several");
    await downloadAdapter("someone/adapter", second, { accessToken: TOKEN, hubUrl, subfolder: "second" });
    expect(JSON.parse(await readFile(join(second, "adapter_config.json"), "utf8"))).toMatchObject({ r: 3 });
    model.dispose();
    loaded.dispose();
  });

  it("says what is wrong: no such repository, no token, no adapter, a pickled one; nothing is then left behind", async () => {
    const there = join(folder, "downloaded");
    const given = { accessToken: TOKEN, hubUrl };
    await expect(downloadAdapter("no name", there, given)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(downloadAdapter("someone/nothing", there, given)).rejects.toMatchObject({
      code: "HUB_FAILED",
      details: { statusCode: 404 },
    });
    repositories.set("someone/pickled", new Map([["adapter_config.json", Buffer.from("{}")]]));
    await expect(downloadAdapter("someone/pickled", there, given)).rejects.toMatchObject({ code: "FILE_MISSING" });
    await expect(downloadAdapter("someone/pickled", there, { hubUrl })).rejects.toMatchObject({
      code: "HUB_FAILED",
      hint: expect.stringContaining("accessToken"),
    });
    await expect(pushToHub(folder, "someone/empty", given)).rejects.toMatchObject({ code: "FILE_MISSING" });
    expect(repositories.has("someone/empty")).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});
