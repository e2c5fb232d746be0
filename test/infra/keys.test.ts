import { describe, expect, test } from "vitest";
import * as z from "zod/mini";

import { at, ofType, pathOf, render, stageOf, statements, synthesise } from "./template.ts";

const production = synthesise(stageOf("production")).template;
const names = [
  "RootKey",
  "IssuingCaKey",
  "KeySetKey",
  "FirstTokenKey",
  "ReceiptKey",
  "ReleaseKey",
  "MessageSigningKey",
];
const keyPolicy = (name: string) => statements(production, at(production, `Keys/${name}`).Properties?.["KeyPolicy"]);

test("ok/there are these keys and no others", () => {
  expect(
    ofType(production, "AWS::KMS::Key")
      .map(([id]) => pathOf(production, id))
      .sort(),
  ).toEqual(
    ["Epochs/EpochKey", ...[...names, "MessageDecryptionKey1", "SecretsKey"].map((name) => `Keys/${name}`)].sort(),
  );
});

test.each(names)("ok/%s signs by P-256 and does nothing else", (name) => {
  expect(at(production, `Keys/${name}`).Properties).toMatchObject({
    KeySpec: "ECC_NIST_P256",
    KeyUsage: "SIGN_VERIFY",
  });
});

test("ok/the decryption key is RSA-2048 and bears its generation", () => {
  const template = synthesise({ ...stageOf("production"), keyGeneration: 7 }).template;
  expect(at(template, "Keys/MessageDecryptionKey7").Properties).toMatchObject({
    KeySpec: "RSA_2048",
    KeyUsage: "ENCRYPT_DECRYPT",
  });
});

describe("in production every key", () => {
  test.each([...names, "MessageDecryptionKey1", "SecretsKey"])(
    "fails/%s is multi-Region, outlives the stack and denies its deletion",
    (name) => {
      const key = at(production, `Keys/${name}`);
      expect(key).toMatchObject({
        Properties: { MultiRegion: true },
        DeletionPolicy: "Retain",
        UpdateReplacePolicy: "Retain",
      });
      expect(keyPolicy(name)).toContainEqual({
        sid: "NobodyDeletes",
        effect: "Deny",
        actions: ["kms:ScheduleKeyDeletion"],
        resources: ["*"],
        principal: { AWS: "*" },
        condition: undefined,
      });
    },
  );
});

test.each(["RootKey", "ReleaseKey"])("fails/%s denies every function of the stack to sign", (name) => {
  const Principal = z.object({ AWS: z.array(z.unknown()) });
  const deny = keyPolicy(name).find(({ sid }) => sid === "NoFunctionSigns");
  expect(deny).toMatchObject({
    effect: "Deny",
    actions: ["kms:CreateGrant", "kms:PutKeyPolicy", "kms:Sign", "kms:Verify"],
    condition: undefined,
  });
  const handlers = ofType(production, "AWS::Lambda::Function").filter(([id]) =>
    pathOf(production, id).endsWith("/Handler"),
  );
  const roles = handlers.map(([, { Properties }]) => render(production, Properties?.["Role"]));
  const ours = roles.filter((role) => role.endsWith("/Role") && !role.includes("CustomResource"));
  expect(ours).toHaveLength(6);
  expect(
    Principal.parse(deny?.principal)
      .AWS.map((role) => render(production, role))
      .sort(),
  ).toEqual(ours.sort());
});
