import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { exportTo, importFrom } from "../../examples/relay/carry.ts";
import { type RelayOptions, startRelay } from "../../examples/relay/server.ts";
import { openStore } from "../../examples/relay/store.ts";
import { closeServer } from "../../local/network/close-server.ts";
import { listen } from "../../local/network/listen.ts";

const ends: (() => Promise<unknown>)[] = [];
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-relay-"));
  ends.push(() => rm(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).toReversed()) await end();
});

/** Of the form of a sealed message; `name` is what the upstream knows it by. */
const token = (name: string, length = 4) => `head.key.iv.${name}.${"t".repeat(length)}`;
const replyTo = (sent: string) => `head..iv.reply-${sent.split(".")[3]}.tag`;
const problem = (code: string, status: number) => JSON.stringify({ type: "about:blank", title: code, status, code });

type Upstream = { url: string; requests: { path: string; tokens: string[] }[]; hasBatches: boolean; isDown: boolean };

/** Answers every token; names say what else is to happen. */
async function startUpstream(): Promise<Upstream> {
  const upstream: Upstream = { url: "", requests: [], hasBatches: true, isDown: false };
  const answer = (sent: string) => {
    if (sent.includes(".bad.")) return problem("not-accepted", 400);
    if (sent.includes(".busy.") && upstream.requests.length < 3) return problem("unavailable", 503);
    return replyTo(sent);
  };
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const { url = "" } = request;
    if (upstream.isDown) return response.destroy();
    if (url.startsWith("/firmware/")) {
      return response.writeHead(206, { "Content-Range": "bytes 0-3/9" }).end(`${request.headers.range}`);
    }
    if (url === "/keys") return response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
    const tokens = body.split("\n").filter((line) => line !== "");
    upstream.requests.push({ path: url, tokens });
    if (url === "/batches" && !upstream.hasBatches) return response.writeHead(404).end("Not Found");
    if (tokens.some((sent) => sent.includes(".poison."))) return response.writeHead(502).end();
    const lines = tokens.map(answer);
    if (url === "/batches") return response.writeHead(200).end(lines.map((line) => `${line}\n`).join(""));
    const [line = ""] = lines;
    return response.writeHead(line.startsWith("{") ? JSON.parse(line).status : 200).end(line);
  });
  upstream.url = `http://127.0.0.1:${await listen(server)}`;
  ends.push(() => closeServer(server));
  return upstream;
}

async function start(upstream: Upstream, options: Partial<RelayOptions> = {}) {
  const relay = await startRelay({
    to: upstream.url,
    store: join(folder, "store"),
    storeBytes: 2 ** 20,
    host: "127.0.0.1",
    port: 0,
    waitSeconds: 5,
    count: 50,
    bytes: 1_000_000,
    seconds: 0.02,
    log: () => {},
    ...options,
  });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await relay.close();
    isOpen = false;
  };
  ends.push(close);
  const post = async (sent: string, path = "/messages") => {
    const answer = await fetch(`http://127.0.0.1:${relay.port}${path}`, { method: "POST", body: sent });
    return { status: answer.status, text: await answer.text() };
  };
  return { ...relay, close, post };
}

describe("the relay of the examples", () => {
  test("ok/gathers what comes together, and forgets what was fetched", async () => {
    const upstream = await startUpstream();
    const relay = await start(upstream, { count: 3, seconds: 5 });
    const names = ["a", "b", "c"];
    const answers = await Promise.all(names.map((name) => relay.post(token(name))));
    expect(answers).toEqual(names.map((name) => ({ status: 200, text: replyTo(token(name)) })));
    expect(upstream.requests.map(({ path, tokens }) => `${path} ${tokens.length}`)).toEqual(["/batches 3"]);
    await expect.poll(relay.counts).toEqual({ tokens: 0, replies: 0, bytes: 0 });
  });

  test("ok/a batch of another relay: in order, with what is wrong in its place", async () => {
    const relay = await start(await startUpstream());
    const lines = [token("a"), "no message", token("bad"), token("b")];
    const answer = await relay.post(`${lines.join("\n")}\n`, "/batches");
    const told = answer.text.split("\n").map((line) => (line.startsWith("{") ? JSON.parse(line).code : line));
    expect(told).toEqual([replyTo(token("a")), "not-accepted", "not-accepted", replyTo(token("b")), ""]);
  });

  test("ok/one by one where there are no batches", async () => {
    const upstream = await startUpstream();
    upstream.hasBatches = false;
    const relay = await start(upstream);
    expect(await relay.post(token("a"))).toEqual({ status: 200, text: replyTo(token("a")) });
    expect(await relay.post(token("bad"))).toMatchObject({ status: 400 });
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/batches", "/messages", "/messages"]);
  });

  test("ok/what is retryable is tried again by the relay", async () => {
    const upstream = await startUpstream();
    const relay = await start(upstream, { waitSeconds: 20 });
    expect(await relay.post(token("busy"))).toMatchObject({ status: 200 });
    expect(upstream.requests).toHaveLength(3);
  });

  test("ok/one that breaks its batch keeps nobody else waiting", async () => {
    // Every pause is half of the longest: the older one is due whenever the other is.
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const upstream = await startUpstream();
    const relay = await start(upstream, { count: 2, waitSeconds: 20 });
    const poison = relay.post(token("poison")).catch(() => undefined);
    expect(await relay.post(token("a"))).toMatchObject({ status: 200 });
    await relay.close();
    await poison;
  });

  test("ok/a reply that came too late is there for the same token, and by mailbox for another copy", async () => {
    const upstream = await startUpstream();
    upstream.isDown = true;
    const relay = await start(upstream, { waitSeconds: 0.2 });
    for (const [name, path] of [
      ["other", "/messages"],
      ["copy1", "/box/meter-1/messages"],
      ["copy2", "/box/meter-1/messages"],
    ] as const) {
      const answer = await relay.post(token(name), path);
      expect([answer.status, JSON.parse(answer.text).code]).toEqual([503, "unavailable"]);
    }
    upstream.isDown = false;
    await expect.poll(relay.counts).toMatchObject({ tokens: 0, replies: 3 });
    expect(await relay.post(token("copy3"), "/box/meter-1/messages")).toEqual({
      status: 200,
      text: replyTo(token("copy2")),
    });
    // Older copies with it: the device is past them, and a stale reply would cost it a try.
    await expect.poll(relay.counts).toMatchObject({ tokens: 0, replies: 1 });
    const sent = upstream.requests.length;
    expect(await relay.post(token("other"))).toEqual({ status: 200, text: replyTo(token("other")) });
    expect(upstream.requests).toHaveLength(sent);
    await expect.poll(relay.counts).toMatchObject({ replies: 0 });
  });

  test("ok/a mailbox keeps as many copies as a device can open the replies to", async () => {
    const upstream = await startUpstream();
    upstream.isDown = true;
    const relay = await start(upstream, { waitSeconds: 0 });
    for (let copy = 0; copy < 12; copy += 1) await relay.post(token(`copy${copy}`), "/box/m/messages");
    expect(relay.counts()).toMatchObject({ tokens: 8 });
  });

  test("fails/a store that is full says so, and gives up replies before it refuses a message", async () => {
    const upstream = await startUpstream();
    const store = await openStore(join(folder, "store"), 2 ** 20);
    await store.take(token("old"), "");
    const [old] = store.tokens();
    await store.answer(old?.digest ?? "", replyTo(token("old")));
    upstream.isDown = true;
    const relay = await start(upstream, { waitSeconds: 0, storeBytes: 3 * 4_096 });
    for (const name of ["a", "b", "c"]) {
      expect(JSON.parse((await relay.post(token(name))).text).title).toMatch(/keeps the message/u);
    }
    expect(relay.counts()).toEqual({ tokens: 3, replies: 0, bytes: 3 * 4_096 });
    const full = await relay.post(token("d"));
    expect([full.status, JSON.parse(full.text).title]).toEqual([503, "The relay's store is full; try again later."]);
  });

  test("fails/what is no message, what is too much, and other paths", async () => {
    const relay = await start(await startUpstream());
    expect(await relay.post("hello")).toMatchObject({ status: 400 });
    expect(await relay.post("x".repeat(400_000))).toMatchObject({ status: 413 });
    expect(await relay.post(`${token("a")}\n`.repeat(101), "/batches")).toMatchObject({ status: 413 });
    for (const path of ["/operator", "/bootstrap/token", "/box/a%20b/messages", "/firmware/%2e%2e"]) {
      expect(await relay.post(token("a"), path)).toMatchObject({ status: 404 });
    }
  });

  test("ok/key sets and images pass through", async () => {
    const relay = await start(await startUpstream());
    const base = `http://127.0.0.1:${relay.port}`;
    expect(await (await fetch(`${base}/box/meter-1/keys`)).text()).toBe("{}");
    const image = await fetch(`${base}/firmware/a/b.bin`, { headers: { Range: "bytes=0-3" } });
    expect([image.status, image.headers.get("content-range"), await image.text()]).toEqual([
      206,
      "bytes 0-3/9",
      "bytes=0-3",
    ]);
  });

  test("ok/carried by hand, there and back", async () => {
    const stick = await mkdtemp(join(folder, "stick-"));
    const site = await openStore(join(folder, "site"), 2 ** 20);
    await site.take(token("a"), "meter-1");
    await site.take(token("bad"), "");
    expect(await exportTo(site, stick, "site")).toEqual({ tokens: 2, replies: 0 });
    await writeFile(join(stick, "other.txt"), "not ours");

    const office = join(folder, "office");
    const relayed = await openStore(office, 2 ** 20);
    expect(await importFrom(relayed, stick, "office")).toEqual({ tokens: 2, replies: 0, refused: 0 });
    const relay = await start(await startUpstream(), { store: office });
    await expect.poll(relay.counts).toMatchObject({ tokens: 0, replies: 2 });
    await relay.close();
    await relayed.refresh();
    expect(await exportTo(relayed, stick, "office")).toEqual({ tokens: 0, replies: 2 });

    expect(await importFrom(site, stick, "site")).toEqual({ tokens: 0, replies: 2, refused: 0 });
    expect(site.counts()).toMatchObject({ tokens: 0, replies: 2 });
    const entry = site.replyFor("another copy", "meter-1");
    expect(entry && (await site.read("replies", entry))).toBe(replyTo(token("a")));
    expect(await readdir(stick)).toEqual(["other.txt"]);
  });

  test("ok/a store takes up the files of one whose name begins with its own", async () => {
    const stick = await mkdtemp(join(folder, "stick-"));
    const site = await openStore(join(folder, "site"), 2 ** 20);
    await site.take(token("a"), "");
    await exportTo(site, stick, "relay-2");
    const office = await openStore(join(folder, "office"), 2 ** 20);
    expect(await importFrom(office, stick, "relay-2")).toMatchObject({ tokens: 0 });
    expect(await importFrom(office, stick, "relay")).toMatchObject({ tokens: 1 });
  });

  test("ok/what came before the clock was set back is sent", async () => {
    const store = join(folder, "store");
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 86_400_000);
    await (await openStore(store, 2 ** 20)).take(token("a"), "");
    vi.restoreAllMocks();
    const relay = await start(await startUpstream());
    await expect.poll(relay.counts).toMatchObject({ tokens: 0, replies: 1 });
  });

  test("ok/a token that cannot be read holds nobody up", async () => {
    const upstream = await startUpstream();
    const store = join(folder, "store");
    const relay = await start(upstream, { waitSeconds: 0.2, count: 1 });
    upstream.isDown = true;
    await relay.post(token("lost"));
    await relay.close();
    const [name = ""] = await readdir(join(store, "tokens"));
    await rm(join(store, "tokens", name));
    await mkdir(join(store, "tokens", name));
    upstream.isDown = false;
    const again = await start(upstream, { count: 1 });
    expect(await again.post(token("a"))).toMatchObject({ status: 200 });
  });

  test("ok/what was taken before the process was killed is sent after", async () => {
    const upstream = await startUpstream();
    upstream.isDown = true;
    const store = join(folder, "store");
    // As a stranger runs it: nothing of the repository is beside it.
    await cp(join(import.meta.dirname, "../../examples/relay"), join(folder, "relay"), { recursive: true });
    const program = join(folder, "relay", "relay.ts");
    const words = [
      "serve",
      "--to",
      upstream.url,
      "--store",
      store,
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      "--wait",
      "0",
    ];
    const child = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "inherit"] });
    const port = await new Promise<string>((resolve) => {
      createInterface(child.stdout).on("line", (line) => {
        const found = /on port (\d+)/u.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const names = Array.from({ length: 20 }, (_, n) => `n${n}`);
    for (const name of names) {
      await fetch(`http://127.0.0.1:${port}/messages`, { method: "POST", body: token(name) });
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await writeFile(join(store, "new", "unfinished-of-the-power-cut"), "head.k");
    upstream.isDown = false;
    const relay = await start(upstream);
    await expect.poll(relay.counts).toMatchObject({ tokens: 0, replies: 20 });
    expect(upstream.requests.flatMap(({ tokens }) => tokens).toSorted()).toEqual(
      names.map((name) => token(name)).toSorted(),
    );
  });
});
