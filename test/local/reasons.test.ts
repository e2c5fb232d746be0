import { beforeEach, describe, expect, test } from "vitest";

import { answerMessage } from "../../functions/receive/answer.ts";
import { tellReason } from "../../local/reasons.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";

let service: TestService;
let device: RawDevice;

beforeEach(async () => {
  service = await startService();
  device = await rawDevice(service);
});

/** The log line of a message, as the function prints it. */
const lineOf = async (token: string) => {
  const { log } = await answerMessage(service.messages, token, present);
  return JSON.stringify({ function: "messages", ...log, ms: 1 });
};
const claimsOf = async (claims: object, body: object = registration) =>
  device.claimsOf("register", { ...body }, { seq: 1 }, { claims });

describe("a line of a function", () => {
  const notAccepted: [string, () => Promise<string>, RegExp][] = [
    ["no token", async () => "a.b.c.d.e", /check: \w+/],
    [
      "another service's name",
      async () => (await device.seal(await claimsOf({ aud: "another-service" }))).token,
      /check: audience, request aud · compared: the claim `aud` .* · Set `aud`/,
    ],
    [
      "a device that is not known",
      async () => (await device.seal(await claimsOf({ iss: crypto.randomUUID() }))).token,
      /check: issuer, request iss · compared: .*registry/,
    ],
    [
      "a bit flipped on the way",
      async () => (await device.seal(await claimsOf({}))).token.replace(/.$/, (last) => (last === "A" ? "Q" : "A")),
      /check: decryption, jwe · compared: the ciphertext with its tag/,
    ],
    [
      "another device's signature",
      async () => {
        const claims = await claimsOf({ iss: device.deviceId });
        return (await (await rawDevice(service)).seal(claims)).token;
      },
      /check: signature, request · compared: .*certified signing key/,
    ],
  ];
  test.each(notAccepted)("ok/says why: %s", async (_, token, expected) => {
    const told = tellReason(await lineOf(await token())) ?? "";
    expect(told).toContain("messages: not-accepted");
    expect(told).toMatch(expected);
    expect(told).not.toContain("\n");
  });

  test("ok/says which refusal, of whose message, and what its text is", async () => {
    const { token } = await device.seal(await device.claimsOf("reboot", {}, { seq: 7, ack: 6 }));
    const told = tellReason(await lineOf(token)) ?? "";
    expect(told).toContain("messages: unsupported-operation");
    expect(told).toContain(`seq 7, device ${device.deviceId}`);
    expect(told).toContain("This service does not know the operation.");
  });

  test("ok/tells a credential's end from a token's", () => {
    const told = tellReason('{"function":"bootstrap","outcome":"invalid_client","reason":"expired"}');
    expect(told).toContain("Create a new credential");
  });

  test("ok/says of a fault what it was, and explains nothing", () => {
    const told = tellReason('{"function":"messages","outcome":"fault","fault":"throttled","reason":"KMS Decrypt"}');
    expect(told).toBe("messages: fault · check: KMS Decrypt · fault: throttled");
  });

  test("fails/nothing is told of what went well, or of what is no such line", async () => {
    const { token } = await device.seal(await claimsOf({}));
    expect(tellReason(await lineOf(token))).toBeUndefined();
    expect(["", "START", "{}", "[1]", '"text"', "{"].map(tellReason)).toEqual(Array.from({ length: 6 }));
  });
});
