import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { signKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { readTrust } from "@sealpost/protocol/documents/trust.ts";
import { problem, problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { messageUrlOption } from "../../operator/options.ts";
import { openOutput } from "../../operator/output.ts";
import { openService } from "../../operator/service.ts";
import { readStack } from "../../operator/stack.ts";
import { type PublishOptions, publishTrust } from "../../operator/trust-publication.ts";
import { type SigningKey, agreementKey, signingKey } from "../support/keys.ts";
import { credentials, startApi } from "./api-server.ts";
import { serviceId, startOperator } from "./operator.ts";
import { catchPrinted } from "./printed.ts";
import { localStack } from "./stacks.ts";

const ends: (() => Promise<unknown>)[] = [];
let caught: ReturnType<typeof catchPrinted>;
let keys: Record<string, SigningKey>;
let session: Parameters<typeof publishTrust>[0];
let signed: string[];
/** The plane of the service, of another one, a host where nothing of the kind is, and a port where nobody listens. */
let own: string;
let foreign: string;
let page: string;
let silent: string;

beforeEach(async () => {
  caught = catchPrinted();
  const names = ["root", "issuingca", "keyset", "receipt", "release"];
  keys = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await signingKey()] as const)));
  signed = [];
  const operator = startOperator();
  operator.setTime(Math.floor(Date.now() / 1000));
  const api = await startApi(operator);
  const folder = await mkdtemp(join(tmpdir(), "sealpost-trust-"));
  ends.push(api.close, () => rm(folder, { recursive: true }));
  const published = async () => (await operator.get("/operator/trust")).body["chain"] as string[][] | undefined;
  own = await serve(async (_, response) => {
    const chain = await published();
    response.writeHead(chain ? 200 : 409, { "content-type": chain ? "application/json" : problemMediaType });
    const answer = chain
      ? { trust: chain, keySet: await keySetOf(serviceId, keyOf("keyset")) }
      : problem("not-trusted-yet");
    response.end(JSON.stringify(answer));
  });
  const other = await signingKey();
  foreign = await serve(async (_, response) => {
    response.end(JSON.stringify({ trust: [["a.b.c"]], keySet: await keySetOf(serviceId, other) }));
  });
  page = await serve((_, response) => response.end("<html>It works!</html>"));
  silent = await serve(() => undefined);
  await ends.pop()?.();
  const outputs = { ...localStack().outputs, ServiceId: serviceId };
  const operatorUrl = `https://a1.execute-api.localhost:${api.port}`;
  const file = join(folder, "stack.json");
  await writeFile(file, JSON.stringify(localStack({ outputs, operatorUrl, messageUrl: own, ca: api.ca, credentials })));
  const stack = readStack(file);
  session = { stack, service: openService(stack), output: openOutput({ json: false }) };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(ends.splice(0).map((end) => end()));
});

const keyOf = (name: string) => {
  const key = keys[name];
  if (!key) throw new Error(`no key ${name}`);
  return key;
};

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function keySetOf(iss: string, signer: SigningKey): Promise<string> {
  const [message, opener] = await Promise.all([signingKey(), agreementKey()]);
  const claims = {
    iss,
    iat: 1,
    exp: 2,
    version: 1,
    keys: [
      { ...message.jwk, kid: message.kid, use: "sig" as const, alg: "ES256" as const },
      {
        ...opener.jwk,
        kid: await thumbprint(opener.jwk),
        use: "enc" as const,
        alg: "ECDH-ES+A256KW" as const,
      },
    ],
  };
  return signKeySet(claims, signer);
}

const publish = (options: PublishOptions = {}) => {
  caught.clear();
  const name = (id: string) => id.split("/").at(-1) ?? "";
  const kms = {
    publicKey: async (id: string) => keyOf(name(id)).jwk,
    open: async (id: string) => {
      const { jwk, kid, alg, sign } = keyOf(name(id));
      const counting = (data: Uint8Array<ArrayBuffer>) => {
        signed.push(name(id));
        return sign(data);
      };
      return { jwk, signer: { kid, alg, sign: counting } };
    },
  };
  return publishTrust(session, kms, options);
};
const publishedUrls = async () => readTrust((await session.service.ask("showTrust", {})).chain).messageUrls;

describe("before it signs", () => {
  test("ok/the first document, whose URL answers that there is none yet", async () => {
    await publish({ yes: true });
    expect(await publishedUrls()).toEqual([own]);
    expect(caught.printed.error).toMatch(/^message URLs +- +http/mu);
  });

  test("ok/the difference is shown, entry by entry", async () => {
    await publish({ yes: true });
    await publish({ yes: true, messageUrl: [own, silent], unreachableOk: [silent] });
    expect(caught.printed.error).toMatch(/^MEMBER +VERSION 1 +VERSION 2$/mu);
    expect(caught.printed.error).toMatch(new RegExp(`^message URLs +${own} +${own}\n +${silent}$`, "mu"));
    expect(caught.printed.error).not.toContain("release keys");
  });

  test("ok/--dry-run shows it, and signs nothing", async () => {
    await publish({ dryRun: true });
    expect(caught.printed.out).toContain("Nothing was signed");
    expect(signed).toEqual([]);
    await expect(publishedUrls()).rejects.toMatchObject({ code: "not-set-up" });
  });

  test("fails/without a terminal and without --yes", async () => {
    await expect(publish()).rejects.toMatchObject({ code: "usage", next: expect.stringContaining("--yes") });
    expect(signed).toEqual([]);
  });

  test.each([
    ["fails/a host where nobody listens", () => silent, "cannot be reached from here (ECONNREFUSED)"],
    ["fails/somebody else's page", () => page, "does not answer as Sealpost does (status 200)"],
    ["fails/another service", () => foreign, "is another service"],
  ])("ok/%s", async (_, url, why) => {
    await publish({ yes: true });
    signed = [];
    await expect(publish({ yes: true, messageUrl: [own, url()] })).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining(`${url()} ${why}`),
      next: expect.stringContaining("--unreachable-ok"),
    });
    expect(signed).toEqual([]);
    expect(await publishedUrls()).toEqual([own]);
  });

  test("fails/an override for a URL that the document does not state", async () => {
    const wrong = publish({ yes: true, unreachableOk: [silent] });
    await expect(wrong).rejects.toMatchObject({ code: "usage" });
  });

  test("fails/a threshold that no signatures reach, and a URL twice", async () => {
    await expect(publish({ yes: true, releaseThreshold: 2 })).rejects.toMatchObject({ code: "usage" });
    await expect(publish({ yes: true, messageUrl: [own, own] })).rejects.toMatchObject({ code: "usage" });
    expect(signed).toEqual([]);
  });
});

test("ok/a plane that is busy at first is asked again", async () => {
  await publish({ yes: true });
  let asked = 0;
  const busy = await serve(async (_, response) => {
    asked += 1;
    if (asked === 1) response.writeHead(502).end("busy");
    else response.end(JSON.stringify({ trust: [["a.b.c"]], keySet: await keySetOf(serviceId, keyOf("keyset")) }));
  });
  await publish({ yes: true, messageUrl: [own, busy] });
  expect(await publishedUrls()).toEqual([own, busy]);
});

test("ok/publishing the same again signs nothing", async () => {
  await publish({ yes: true });
  signed = [];
  await publish({ yes: true });
  expect(signed).toEqual([]);
  expect(caught.printed.out).toContain("already says all this");
});

test.each([
  "http://user:secret@relay.example",
  "http://relay.example/?a=1",
  "http://relay.example/#part",
  "http://relay.example:25",
  "http://relay.example/a b",
  "mqtts://relay.example",
  "relay.example",
])("fails/--message-url %s", (url) => {
  expect(() => messageUrlOption(url)).toThrow(expect.objectContaining({ code: "commander.invalidArgument" }));
});
