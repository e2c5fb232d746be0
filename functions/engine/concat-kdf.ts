import { hash } from "node:crypto";

/**
 * The key of a key agreement (RFC 7518 §4.6.2: Concat KDF of NIST SP 800-56A with SHA-256), without apu and apv. One round: at most 32 bytes.
 * @param agreed what both sides computed
 * @param alg `enc` for direct agreement, `alg` where the key wraps another
 */
export function concatKdf(agreed: Uint8Array, alg: string, keyBytes: number): Buffer<ArrayBuffer> {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const otherInfo = [number(alg.length), Buffer.from(alg), number(0), number(0), number(keyBytes * 8)];
  return hash("sha256", Buffer.concat([number(1), agreed, ...otherInfo]), "buffer").subarray(0, keyBytes);
}
