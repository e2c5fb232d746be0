import { derToRaw } from "@sealpost/protocol/token/der.ts";
import { toSigningJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type RsaJwk, rsaJwkSchema, rsaOaep256 } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import { nodeEngine } from "../engine/node-engine.ts";
import { lazily } from "./lazily.ts";
import { fromBase64, toBase64 } from "../aws/base64.ts";
import type { AwsClient } from "../aws/client.ts";
import type {
  ContentKeyOpener,
  MakeWrappedPair,
  PresentKeys,
  ServerKeys,
  SignerWithKey,
  SigningKeySource,
} from "./port.ts";
import { awsErrorName, awsFault } from "../fault/aws-fault.ts";

/** Keys in KMS: custody `kms`. Private keys never leave it. */

/** The message keys of the deployment: they change with it, and KMS refuses what has been disabled since. */
export function kmsServerKeys(
  kms: AwsClient,
  keyArns: { readonly signing: string; readonly decryption: string },
): ServerKeys {
  const keys = lazily(async (): Promise<PresentKeys> => {
    const [replySigner, opener] = await Promise.all([
      kmsSigner(kms, keyArns.signing),
      kmsContentKeyOpener(kms, keyArns.decryption),
    ]);
    return { replySigner, openers: [opener] };
  });
  return { at: () => keys() };
}

/** A signing key whose public half is fetched at first use. */
export function kmsSigningKey(kms: AwsClient, keyArn: string): SigningKeySource {
  return lazily(() => kmsSigner(kms, keyArn));
}

/** Signs with an ECC_NIST_P256 key. Its public key is read once. */
export async function kmsSigner(kms: AwsClient, keyArn: string): Promise<SignerWithKey> {
  const jwk = await ecPublicKey(kms, keyArn);
  return knownKmsSigner(kms, keyArn, { jwk, kid: nodeEngine.thumbprint(jwk), alg: es256.alg });
}

/** The same with a key whose public half is known. */
export function knownKmsSigner(
  kms: AwsClient,
  keyArn: string,
  { jwk, kid, alg }: Omit<SignerWithKey, "sign">,
): SignerWithKey {
  return {
    jwk,
    kid,
    alg,
    async sign(data) {
      // KMS takes at most 4,096 bytes as a message; a digest has no such bound and is less to send.
      const digest = nodeEngine.sha256(data);
      const { Signature: der } = await call<{ Signature: string }>(kms, "Sign", {
        KeyId: keyArn,
        Message: toBase64(digest),
        MessageType: "DIGEST",
        SigningAlgorithm: "ECDSA_SHA_256",
      });
      return derToRaw(fromBase64(der));
    },
  };
}

/** Opens content keys with an RSA_2048 decryption key (RSA-OAEP-256). */
export async function kmsContentKeyOpener(kms: AwsClient, keyArn: string): Promise<ContentKeyOpener> {
  const jwk = await rsaPublicKey(kms, keyArn);
  return knownKmsOpener(kms, keyArn, { jwk, kid: nodeEngine.thumbprint(jwk), alg: rsaOaep256.alg });
}

/** The same with a key whose public half is known. */
export function knownKmsOpener(
  kms: AwsClient,
  keyArn: string,
  { jwk, kid, alg }: Omit<ContentKeyOpener, "open">,
): ContentKeyOpener {
  return {
    jwk,
    kid,
    alg,
    async open(encryptedKey) {
      // Anything else cannot be a ciphertext of this key and is not worth a call.
      if (encryptedKey.length !== 256) throw new TokenError("decryption", "encrypted key");
      const input = {
        KeyId: keyArn,
        CiphertextBlob: toBase64(encryptedKey),
        EncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      };
      try {
        const { Plaintext: contentKey } = await kms<{ Plaintext: string }>("Decrypt", input);
        return fromBase64(contentKey);
      } catch (error) {
        throw openError(error);
      }
    },
  };
}

const retired = new Set(["DisabledException", "KMSInvalidStateException"]);

/** A key that is disabled or awaits its deletion is retired, whatever this function was told when it started. */
function openError(error: unknown): Error {
  const name = awsErrorName(error);
  if (name === "InvalidCiphertextException") return new TokenError("decryption", "encrypted key", { cause: error });
  if (retired.has(name)) return new TokenError("retired-key", "request serverKey", { cause: error });
  return awsFault(error, "KMS Decrypt");
}

/** Decrypts what was encrypted by a symmetric key under the same encryption context. */
export async function kmsUnwrap(
  kms: AwsClient,
  keyArn: string,
  wrapped: string,
  context: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const input = { KeyId: keyArn, CiphertextBlob: wrapped, EncryptionContext: context };
  const { Plaintext: secret } = await call<{ Plaintext: string }>(kms, "Decrypt", input);
  return fromBase64(secret);
}

/** Makes key pairs whose private halves are wrapped by a symmetric key; none of them is ever in the clear here. */
export function kmsWrappedPairs(kms: AwsClient, keyArn: string): MakeWrappedPair {
  return async (context) => {
    type Answer = { PublicKey: string; PrivateKeyCiphertextBlob: string };
    const { PublicKey: publicKey, PrivateKeyCiphertextBlob: wrapped } = await call<Answer>(
      kms,
      "GenerateDataKeyPairWithoutPlaintext",
      { KeyId: keyArn, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: context },
    );
    return { publicKey: fromBase64(publicKey), wrapped };
  };
}

async function ecPublicKey(kms: AwsClient, keyArn: string): Promise<SigningJwk> {
  return toSigningJwk(await exportPublicKey(kms, keyArn, es256.key, "verify"));
}

async function rsaPublicKey(kms: AwsClient, keyArn: string): Promise<RsaJwk> {
  const { kty, n, e } = await exportPublicKey(kms, keyArn, rsaOaep256.key, "encrypt");
  return rsaJwkSchema.parse({ kty, n, e });
}

type ImportAlgorithm = typeof es256.key | typeof rsaOaep256.key;

async function exportPublicKey(
  kms: AwsClient,
  keyArn: string,
  algorithm: ImportAlgorithm,
  usage: "verify" | "encrypt",
) {
  const { PublicKey: spki } = await call<{ PublicKey: string }>(kms, "GetPublicKey", { KeyId: keyArn });
  const key = await crypto.subtle.importKey("spki", fromBase64(spki), algorithm, true, [usage]);
  return { ...(await crypto.subtle.exportKey("jwk", key)) };
}

async function call<Answer extends object>(kms: AwsClient, operation: string, input: object): Promise<Answer> {
  try {
    return await kms<Answer>(operation, input);
  } catch (error) {
    throw awsFault(error, `KMS ${operation}`);
  }
}
