import {
  type KeyObject,
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from "node:crypto";

/** The calls of node:crypto that a message needs, on bytes and keys that lie ready: no text, no JSON, no import, no checks. */

const aes = "aes-256-gcm";

export type Sealed = { readonly iv: Buffer; readonly text: Buffer; readonly tag: Buffer };

export function encrypt(key: KeyObject, plaintext: Uint8Array): Sealed {
  const iv = randomBytes(12);
  const cipher = createCipheriv(aes, key, iv);
  const text = cipher.update(plaintext);
  cipher.final();
  return { iv, text, tag: cipher.getAuthTag() };
}

function decrypt(key: KeyObject, { iv, text, tag }: Sealed): Buffer {
  const decipher = createDecipheriv(aes, key, iv, { authTagLength: 16 });
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(text);
  decipher.final();
  return plaintext;
}

/** Key agreement with a fresh key, and its derivation. */
export function agree(theirs: KeyObject): { readonly key: KeyObject; readonly ephemeral: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { key: agreed(privateKey, theirs), ephemeral: publicKey };
}

function agreed(privateKey: KeyObject, publicKey: KeyObject): KeyObject {
  return derive(diffieHellman({ privateKey, publicKey }));
}

function derive(shared: Uint8Array): KeyObject {
  return createSecretKey(createHash("sha256").update(shared).digest());
}

export function sealToRsa(signingKey: KeyObject, rsa: KeyObject, content: Uint8Array): void {
  sign("sha256", content, signingKey);
  const contentKey = randomBytes(32);
  publicEncrypt({ key: rsa, oaepHash: "sha256", padding: constants.RSA_PKCS1_OAEP_PADDING }, contentKey);
  encrypt(createSecretKey(contentKey), content);
}

export function openWithContentKey(contentKey: Buffer, sealed: Sealed, device: KeyObject, signature: Buffer): void {
  const content = decrypt(createSecretKey(contentKey), sealed);
  verify("sha256", content, device, signature);
}

export function sealToP256(signingKey: KeyObject, theirs: KeyObject, content: Uint8Array): void {
  sign("sha256", content, signingKey);
  encrypt(agree(theirs).key, content);
}

export function openFromP256(
  privateKey: KeyObject,
  ephemeral: KeyObject,
  sealed: Sealed,
  signer: KeyObject,
  signature: Buffer,
): void {
  verify("sha256", decrypt(agreed(privateKey, ephemeral), sealed), signer, signature);
}
