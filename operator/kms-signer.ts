import { createHash, createPublicKey } from "node:crypto";

import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { derToRaw } from "@sealpost/protocol/token/der.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk, signingJwkSchema } from "@sealpost/protocol/suites/suites.ts";

import { awsFault, clientConfiguration } from "./aws-access.ts";
import { OperatorFault } from "./fault.ts";
import type { PolicyOutput, Stack } from "./stack.ts";

/** A key in KMS that the operator, and no function, may sign with. */
export type KmsKey = { readonly jwk: SigningJwk; readonly signer: Signer };

export type KmsKeys = {
  publicKey(keyId: string): Promise<SigningJwk>;
  open(keyId: string): Promise<KmsKey>;
};

/**
 * @param policy the stack's policy that allows what is about to be done
 * @throws OperatorFault from both functions, and from signing
 */
export function kmsKeys(stack: Stack, policy: PolicyOutput): KmsKeys {
  const kms = new KMSClient(clientConfiguration(stack.access));

  const publicKey = async (keyId: string) => {
    let spki: Uint8Array | undefined;
    try {
      spki = (await kms.send(new GetPublicKeyCommand({ KeyId: keyId }))).PublicKey;
    } catch (error) {
      throw awsFault(error, `read the public key of ${keyId}`, policy, stack);
    }
    return toJwk(spki, keyId);
  };

  const sign = async (keyId: string, data: Uint8Array) => {
    try {
      const { Signature } = await kms.send(
        new SignCommand({
          KeyId: keyId,
          // KMS takes at most 4 KiB of message; a digest always fits.
          Message: createHash("sha256").update(data).digest(),
          MessageType: "DIGEST",
          SigningAlgorithm: "ECDSA_SHA_256",
        }),
      );
      return derToRaw(Signature ?? new Uint8Array());
    } catch (error) {
      throw awsFault(error, `sign with ${keyId}`, policy, stack);
    }
  };

  return {
    publicKey,
    async open(keyId) {
      const jwk = await publicKey(keyId);
      return { jwk, signer: { kid: await thumbprint(jwk), alg: es256.alg, sign: (data) => sign(keyId, data) } };
    },
  };
}

function toJwk(spki: Uint8Array | undefined, keyId: string): SigningJwk {
  try {
    const jwk = createPublicKey({ key: Buffer.from(spki ?? []), format: "der", type: "spki" }).export({
      format: "jwk",
    });
    return signingJwkSchema.parse(jwk);
  } catch (cause) {
    throw new OperatorFault(
      "usage",
      `The KMS key ${keyId} is not a signing key on P-256 (ECC_NIST_P256, SIGN_VERIFY), and the protocol knows no other.`,
      "name a key of that kind",
      { cause },
    );
  }
}
