import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { parseJws, signJws, tokenDigest, tokenTypes, verifyJws } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { openReply } from "@sealpost/protocol/messages/reply.ts";
import { type RequestClaims } from "@sealpost/protocol/messages/request.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import { answerMessage } from "../../functions/receive/answer.ts";
import { openRequest } from "../support/open.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, serviceId, startService } from "../support/service.ts";

let service: TestService;
let device: RawDevice;
let claims: RequestClaims;

beforeAll(async () => {
  service = await startService();
  device = await rawDevice(service);
  claims = await device.claimsOf("register", registration, { seq: 1 }, { key: "agreement" });
});

/** Flips one bit of the decoded bytes of a compact token. */
function flip(token: string, at: number, bit: number): string {
  const segments = token.split(".").map((segment) => Buffer.from(segment, "base64url"));
  const total = segments.reduce((sum, { length }) => sum + length, 0);
  let rest = at % total;
  for (const segment of segments) {
    if (rest < segment.length) {
      segment[rest] = (segment[rest] ?? 0) ^ (1 << bit);
      break;
    }
    rest -= segment.length;
  }
  return segments.map((segment) => segment.toString("base64url")).join(".");
}

/** The code with which it was refused; anything but a TokenError is a crash. */
async function refusal(open: Promise<unknown>): Promise<string> {
  try {
    await open;
    return "opened";
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return error.code;
  }
}

async function kidOf(token: string): Promise<string | undefined> {
  let kid: string | undefined;
  await refusal((async () => ({ kid } = parseJws(tokenTypes.keySet, token)))());
  return kid;
}

const places = fc.tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 7 }));
/** Short segments, the headers, tags and vectors, are as likely as the ciphertext. */
const flips = fc.oneof(places, fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 7 })));

describe("a token with one bit flipped", () => {
  test.each(["rsa", "agreement"] as const)("fails/request sealed to the %s key", async (key) => {
    const sent = await device.claimsOf("register", registration, { seq: 1 }, { key });
    const { token } = await device.seal(sent, key);
    expect(await refusal(openRequest(service.messages, service.messageKeys, token))).toBe("opened");
    await fc.assert(
      fc.asyncProperty(flips, async ([at, bit]) => {
        expect(await refusal(openRequest(service.messages, service.messageKeys, flip(token, at, bit)))).not.toBe(
          "opened",
        );
      }),
      { numRuns: 150 },
    );
  });

  test("fails/reply", async () => {
    const { token, jws } = await device.seal(claims, "agreement");
    const answered = await answerMessage(service.messages, token, present);
    if (answered.kind === "problem") throw new Error("problem");
    const awaited = { request: await tokenDigest(jws) };
    const open = (text: string) =>
      refusal(openReply(text, device.encryption.pair.privateKey, service.keySet.signingKeys, awaited));
    expect(await open(answered.token)).toBe("opened");
    await fc.assert(
      fc.asyncProperty(flips, async ([at, bit]) => {
        expect(await open(flip(answered.token, at, bit))).not.toBe("opened");
      }),
      { numRuns: 200 },
    );
  });

  test("fails/any character replaced, removed or added", async () => {
    const { token } = await device.seal(claims, "agreement");
    const edits = fc.tuple(
      fc.nat({ max: token.length - 1 }),
      fc.nat({ max: 1 }),
      fc.string({ unit: "grapheme-ascii", maxLength: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(edits, async ([at, removed, added]) => {
        const edited = token.slice(0, at) + added + token.slice(at + removed);
        fc.pre(edited !== token);
        expect(await refusal(openRequest(service.messages, service.messageKeys, edited))).not.toBe("opened");
      }),
      { numRuns: 150 },
    );
  });

  test("fails/signed document", async () => {
    const jws = await signJws(tokenTypes.keySet, { iss: serviceId }, device.signer);
    const open = async (text: string) =>
      refusal((async () => verifyJws(parseJws(tokenTypes.keySet, text), device.signer.jwk))());
    expect(await open(jws)).toBe("opened");
    await fc.assert(
      fc.asyncProperty(flips, async ([at, bit]) => {
        const flipped = flip(jws, at, bit);
        // A flipped kid names another key, which its caller would have to find first.
        const kid = await kidOf(flipped);
        expect(kid === undefined || kid !== device.signer.kid || (await open(flipped)) !== "opened").toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("fails/whatever text is sent", async () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.array(fc.base64String({ maxLength: 40 }), { maxLength: 6 }).map((parts) => parts.join(".")),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const answered = await answerMessage(service.messages, text, present);
        expect(answered.kind === "problem" && answered.body.code).toBe("not-accepted");
      }),
    );
  });
});

describe("padding", () => {
  test("ok/hides lengths in buckets and changes no claim", async () => {
    const bodies = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const jws = await signJws(tokenTypes.request, { body }, device.signer, limits.padding.request);
        const { payload } = parseJws(tokenTypes.request, jws);
        const { sizes, step } = limits.padding.request;
        expect(sizes.some((size) => size === payload.length) || payload.length % step === 0).toBe(true);
        expect(JSON.parse(Buffer.from(payload).toString())).toEqual(JSON.parse(JSON.stringify({ body })));
      }),
    );
  });

  test("ok/tokens of one bucket have one length", async () => {
    const lengths = new Set<number>();
    for (const model of ["m", "meter", "a-rather-long-model-name"]) {
      const sent = await device.claimsOf("register", { ...registration, model }, { seq: 1 });
      lengths.add((await device.seal(sent)).token.length);
    }
    expect(lengths.size).toBe(1);
  });
});
