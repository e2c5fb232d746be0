import { describe, expect, test } from "vitest";

import { allowed, at, ofType, pathOf, stageOf, statements, synthesise } from "./template.ts";

const kinds = ["kms", "epoch"] as const;
type Kind = (typeof kinds)[number];

/** The statements of a function's role. */
function roleStatements(signing: Kind, decryption: Kind, role: string) {
  const { template } = synthesise({ ...stageOf("production"), signingCustody: signing, decryptionCustody: decryption });
  const ids = ofType(template, "AWS::IAM::Role").flatMap(([id]) => (pathOf(template, id) === role ? [id] : []));
  return ofType(template, "AWS::IAM::Policy").flatMap(([, { Properties = {} }]) => {
    const isOwn = ids.some((id) => JSON.stringify(Properties["Roles"]).includes(`"${id}"`));
    return isOwn ? statements(template, Properties["PolicyDocument"]) : [];
  });
}

const ofMessageKeys = /^(?:Keys\/Message|Epochs\/)/u;

const signs = { "Keys/MessageSigningKey": ["kms:GetPublicKey", "kms:Sign"] };
const decrypts = { "Keys/MessageDecryptionKey1": ["kms:Decrypt", "kms:GetPublicKey"] };
const unwraps = { "Epochs/Epochs": ["dynamodb:GetItem"], "Epochs/EpochKey": ["kms:Decrypt"] };

describe("the message function", () => {
  test.each([
    ["kms", "kms", { ...signs, ...decrypts }],
    ["epoch", "kms", { ...decrypts, ...unwraps }],
    ["kms", "epoch", { ...signs, ...unwraps }],
    ["epoch", "epoch", unwraps],
  ] as const)("ok/signing in %s, decryption in %s: exactly these grants", (signing, decryption, expected) => {
    const granted = Object.entries(allowed(roleStatements(signing, decryption, "MessageApi/Function/Role")));
    expect(Object.fromEntries(granted.filter(([resource]) => ofMessageKeys.test(resource)))).toEqual(expected);
  });

  test.each([
    ["epoch", "kms", ["signing"]],
    ["kms", "epoch", ["decryption"]],
    ["epoch", "epoch", ["signing", "decryption"]],
  ] as const)(
    "fails/signing in %s, decryption in %s: it unwraps no key of another use",
    (signing, decryption, uses) => {
      const unwrap = roleStatements(signing, decryption, "MessageApi/Function/Role").filter(({ resources }) =>
        resources.includes("Epochs/EpochKey"),
      );
      expect(unwrap.map(({ condition }) => condition)).toEqual([
        {
          StringEquals: { "kms:EncryptionContext:service": "test-service", "kms:EncryptionContext:use": uses },
          Null: { "kms:EncryptionContext:epoch": "false" },
        },
      ]);
    },
  );
});

test("fails/the key-set signer makes pairs of one kind and unwraps none", () => {
  const found = roleStatements("epoch", "epoch", "KeySet/SignFunction/Role");
  const making = found.filter(({ resources }) => resources.includes("Epochs/EpochKey"));
  expect(making).toEqual([
    expect.objectContaining({
      actions: ["kms:GenerateDataKeyPairWithoutPlaintext"],
      condition: {
        StringEquals: {
          "kms:EncryptionContext:service": "test-service",
          "kms:EncryptionContext:use": ["signing", "decryption"],
          "kms:DataKeyPairSpec": "ECC_NIST_P256",
        },
        Null: { "kms:EncryptionContext:epoch": "false" },
      },
    }),
  ]);
});

test("fails/nobody but the message function's role unwraps, whatever another policy says", () => {
  const { template } = synthesise({ ...stageOf("production"), signingCustody: "epoch", decryptionCustody: "epoch" });
  const policy = statements(template, at(template, "Epochs/EpochKey").Properties?.["KeyPolicy"]);
  expect(policy).toContainEqual(
    expect.objectContaining({
      sid: "OneRoleUnwraps",
      effect: "Deny",
      actions: ["kms:CreateGrant", "kms:Decrypt", "kms:ReEncryptFrom"],
      principal: { AWS: "*" },
    }),
  );
});
