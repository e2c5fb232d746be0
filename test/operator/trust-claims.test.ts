import { beforeAll, expect, test } from "vitest";

import { type StackTrust, type TrustWishes, leftOut, nextTrustClaims } from "../../operator/trust-claims.ts";
import { signingKey } from "../support/keys.ts";

const none: TrustWishes = {
  standby: undefined,
  releaseKeys: undefined,
  releaseThreshold: undefined,
  messageUrls: undefined,
};
const jwk = async () => (await signingKey()).jwk;

let stack: StackTrust;
beforeAll(async () => {
  const [root, keySetKey, receiptKey, releaseKey] = await Promise.all([jwk(), jwk(), jwk(), jwk()]);
  stack = {
    serviceId: "s",
    root,
    keySetKey,
    receiptKey,
    releaseKey,
    messageUrl: "http://plane.test",
  };
});

test("ok/the first document states the stack's own keys and address", () => {
  expect(nextTrustClaims(stack, none, undefined, 7)).toEqual({
    iss: "s",
    iat: 7,
    version: 1,
    root: stack.root,
    keySetKeys: [stack.keySetKey],
    receiptKeys: [stack.receiptKey],
    releaseKeys: [stack.releaseKey],
    releaseThreshold: 1,
    messageUrls: ["http://plane.test"],
  });
});

test("ok/publishing again keeps what the operator added before", async () => {
  const wishes = {
    standby: await jwk(),
    releaseKeys: [stack.releaseKey, await jwk()],
    releaseThreshold: 2,
    messageUrls: ["http://own.test", "http://plane.test"],
  };
  const first = nextTrustClaims(stack, wishes, undefined, 7);
  const second = nextTrustClaims(stack, none, first, 8);
  expect(second).toEqual({ ...first, iat: 8, version: 2 });
});

test("fails/a threshold does not fall because a release key came", async () => {
  const two = { ...none, releaseKeys: [stack.releaseKey, await jwk()], releaseThreshold: 2 };
  const first = nextTrustClaims(stack, two, undefined, 7);
  const three = { ...none, releaseKeys: [...two.releaseKeys, await jwk()] };
  expect(nextTrustClaims(stack, three, first, 8).releaseThreshold).toBe(2);
  expect(nextTrustClaims(stack, { ...none, releaseKeys: [stack.releaseKey] }, first, 8).releaseThreshold).toBe(1);
});

test("ok/a choice that leaves the stack's own key and address out stays, and is noted", async () => {
  const chosen = { ...none, releaseKeys: [await jwk()], messageUrls: ["http://own.test"] };
  const first = nextTrustClaims(stack, chosen, undefined, 7);
  const second = nextTrustClaims(stack, none, first, 8);
  expect(second).toEqual({ ...first, iat: 8, version: 2 });
  expect(leftOut(stack, second)).toEqual([
    expect.stringContaining("--release-key"),
    expect.stringContaining(stack.messageUrl),
  ]);
  expect(leftOut(stack, nextTrustClaims(stack, none, undefined, 7))).toEqual([]);
});

test("ok/the service's own keys follow the stack", async () => {
  const first = nextTrustClaims(stack, none, undefined, 7);
  const moved = { ...stack, keySetKey: await jwk(), receiptKey: await jwk() };
  const second = nextTrustClaims(moved, none, first, 8);
  expect(second).toMatchObject({ keySetKeys: [moved.keySetKey], receiptKeys: [moved.receiptKey] });
});

test("ok/a standby is taken away only when the operator says so", async () => {
  const first = nextTrustClaims(stack, { ...none, standby: await jwk() }, undefined, 7);
  expect(nextTrustClaims(stack, none, first, 8).standby).toEqual(first.standby);
  const without = nextTrustClaims(stack, { ...none, standby: "none" }, first, 8);
  expect(without).not.toHaveProperty("standby");
});
