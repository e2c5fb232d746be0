import { createHash, createPublicKey } from "node:crypto";

import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { derToRaw } from "@sealpost/protocol/token/der.ts";
import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { type EcPublicJwk, ecPublicJwkSchema, thumbprint } from "@sealpost/protocol/token/keys.ts";

import { awsFault, clientConfiguration } from "./aws-access.ts";
import { OperatorFault } from "./fault.ts";
import type { PolicyOutput, Stack } from "./stack.ts";

/** A key in KMS that the operator, and no function, may sign with. */
export type KmsKey = { readonly jwk: EcPublicJwk; readonly signer: Signer };

export type KmsKeys = {
  publicKey(keyId: string): Promise<EcPublicJwk>;
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
      return { jwk, signer: { kid: await thumbprint(jwk), sign: (data) => sign(keyId, data) } };
    },
  };
}

function toJwk(spki: Uint8Array | undefined, keyId: string): EcPublicJwk {
  try {
    const jwk = createPublicKey({ key: Buffer.from(spki ?? []), format: "der", type: "spki" }).export({
      format: "jwk",
    });
    return ecPublicJwkSchema.parse(jwk);
  } catch (cause) {
    throw new OperatorFault(
      "usage",
      `The KMS key ${keyId} is not a signing key on P-256 (ECC_NIST_P256, SIGN_VERIFY), and the protocol knows no other.`,
      "name a key of that kind",
      { cause },
    );
  }
}
