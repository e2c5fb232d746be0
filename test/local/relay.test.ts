import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";

import { closeServer } from "../../local/network/close-server.ts";
import { findLeaks } from "../../local/demo/leaks.ts";
import { listen } from "../../local/network/listen.ts";
import { relayRecordings } from "../../local/network/relay-recordings.ts";
import { flipBit, relayPlan } from "../../local/network/relay-plan.ts";
import { type Relay, type RelayOptions, startRelay } from "../../local/network/relay.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** No flipped bit turns one message into another one that is intact. */
const messageText = (index: number): string => `message ${"x".repeat(index + 1)}`;

/** Echoes messages and refuses, as the message plane does, what is not intact. */
async function upstream(): Promise<{ url: string; received: Buffer[] }> {
  const received: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      const body = Buffer.concat(chunks);
      const text = body.toString("latin1");
      received.push(body);
      if (request.url?.startsWith("/firmware/")) {
        response.writeHead(206, { "Content-Range": "bytes 0-3/9" }).end(Buffer.from([0, 255, 1, 254]));
      } else if (request.method === "POST" && !/^message x+$/u.test(text)) {
        response.writeHead(400, { "Content-Type": "application/problem+json" }).end("{}");
      } else {
        response.writeHead(200, { "Content-Type": "application/jose" }).end(`reply to ${text}`);
      }
    });
  });
  const port = await listen(server);
  ends.push(() => closeServer(server));
  return { url: `http://127.0.0.1:${port}`, received };
}

async function start(options: Partial<RelayOptions> & { upstream: string }): Promise<Relay> {
  const relay = await startRelay({ seed: 1, repeatShare: 0, tamperShare: 0, ...options });
  ends.push(() => relay.close());
  return relay;
}

async function send(relay: Relay, index: number): Promise<Response> {
  return fetch(`${relay.url}/messages`, {
    method: "POST",
    headers: { "Content-Type": "application/jose" },
    body: messageText(index),
  });
}

async function actsOf(seed: number): Promise<{ acts: string[]; relay: Relay }> {
  const relay = await start({
    upstream: (await upstream()).url,
    seed,
    repeatShare: 0.3,
    tamperShare: 0.3,
  });
  for (let index = 0; index < 40; index += 1) await (await send(relay, index)).arrayBuffer();
  return { acts: relay.exchanges.map(({ act }) => act), relay };
}

describe("relay", () => {
  it("ok/does the same under the same seed and something else under another", async () => {
    const first = await actsOf(7);
    const again = await actsOf(7);
    const other = await actsOf(8);
    expect(again.acts).toEqual(first.acts);
    expect(again.relay.exchanges.map(({ damagedRequest }) => damagedRequest?.body)).toEqual(
      first.relay.exchanges.map(({ damagedRequest }) => damagedRequest?.body),
    );
    expect(other.acts).not.toEqual(first.acts);
    expect(new Set(first.acts)).toEqual(new Set(["none", "repeat", "damageRequest", "damageReply"]));
    const counted = (...acts: string[]) => first.acts.filter((act) => acts.includes(act)).length;
    expect(first.relay.counts()).toEqual({
      messages: 40,
      repeated: counted("repeat"),
      tampered: counted("damageRequest", "damageReply"),
      refused: counted("damageRequest"),
    });
  });

  it("ok/sends the same bytes twice and keeps both answers", async () => {
    const { url, received } = await upstream();
    const relay = await start({ upstream: url, repeatShare: 1 });
    expect(await (await send(relay, 3)).text()).toBe(`reply to ${messageText(3)}`);
    expect(received.map(String)).toEqual([messageText(3), messageText(3)]);
    expect(relay.exchanges[0]?.repeatedReply?.body.toString()).toBe(`reply to ${messageText(3)}`);
  });

  it("ok/damages exactly one bit, in the request or in the reply", async () => {
    const { url, received } = await upstream();
    const relay = await start({ upstream: url, tamperShare: 1 });
    for (let index = 0; index < 12; index += 1) {
      const sent = Buffer.from(messageText(index));
      const got = Buffer.from(await (await send(relay, index)).arrayBuffer());
      const exchange = relay.exchanges.at(-1);
      const damaged = (before: Buffer | undefined, after: Buffer | undefined) =>
        [...(before ?? [])].reduce((bits, byte, at) => {
          const difference = (byte ^ (after?.[at] ?? 0)).toString(2);
          return bits + difference.replaceAll("0", "").length;
        }, 0);
      expect(exchange?.request.body).toEqual(sent);
      const inRequest = exchange?.act === "damageRequest";
      expect(damaged(sent, received.at(-1))).toBe(inRequest ? 1 : 0);
      expect(damaged(exchange?.reply.body, got)).toBe(inRequest ? 0 : 1);
    }
  });

  it("ok/passes keys and ranges of firmware untouched and refuses everything else", async () => {
    const relay = await start({ upstream: (await upstream()).url, repeatShare: 0.5, tamperShare: 0.5 });
    const firmware = await fetch(`${relay.url}/firmware/a`, { headers: { Range: "bytes=0-3" } });
    expect(firmware.status).toBe(206);
    expect(firmware.headers.get("content-range")).toBe("bytes 0-3/9");
    expect([...new Uint8Array(await firmware.arrayBuffer())]).toEqual([0, 255, 1, 254]);
    expect((await fetch(`${relay.url}/keys`)).status).toBe(200);
    for (const path of ["/", "/messages/", "/operator/trust", "/bootstrap/token", "/firmware"]) {
      const refused = await fetch(relay.url + path);
      expect(refused.status).toBe(404);
      expect(refused.headers.get("content-type")).toBe("application/problem+json");
    }
    expect(relay.counts().messages).toBe(0);
  });

  it("ok/calls onFirstMessage once, before the first message is sent on", async () => {
    const { url, received } = await upstream();
    const seen: number[] = [];
    const relay = await start({ upstream: url, onFirstMessage: () => void seen.push(received.length) });
    await fetch(`${relay.url}/keys`);
    await Promise.all([send(relay, 0), send(relay, 1), send(relay, 2)]);
    expect(seen).toEqual([1]);
  });

  it("ok/records what stood on the wire, headers and bodies, for the leak scan", async () => {
    const relay = await start({ upstream: (await upstream()).url });
    const header = "a secret in a header field";
    await fetch(`${relay.url}/keys`, { headers: { "X-Leak": header } });
    await send(relay, 20);
    const { leaks } = findLeaks(
      relayRecordings(relay.exchanges),
      new Map([
        ["header", Buffer.from(header)],
        ["reply", Buffer.from(`reply to ${messageText(20)}`)],
        ["absent", Buffer.from("this was never sent anywhere")],
      ]),
    );
    expect(leaks.map(({ secret }) => secret)).toEqual(["header", "reply"]);
  });

  it("fails/answers 502 when the upstream is gone", async () => {
    const relay = await start({ upstream: "http://127.0.0.1:1" });
    expect((await send(relay, 0)).status).toBe(502);
  });
});

describe("relayPlan", () => {
  it("ok/keeps near the shares it was given", () => {
    const plan = relayPlan({ seed: "shares", repeatShare: 0.2, tamperShare: 0.1 });
    const acts = Array.from({ length: 5_000 }, (_, index) => plan(index).act);
    const share = (act: string) => acts.filter((each) => each === act).length / acts.length;
    expect(share("repeat")).toBeCloseTo(0.2, 1);
    expect(share("damageRequest") + share("damageReply")).toBeCloseTo(0.1, 1);
  });

  it("fails/refuses shares that exceed the whole", () => {
    expect(() => relayPlan({ seed: 1, repeatShare: 0.6, tamperShare: 0.6 })).toThrow(RangeError);
  });

  it("ok/flips nothing in nothing", () => {
    expect(flipBit(Buffer.alloc(0), 0.5)).toEqual(Buffer.alloc(0));
  });
});
