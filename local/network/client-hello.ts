export type ClientHelloCount = {
  /** TLS handshakes that the client began. */
  readonly clientHellos: number;
  /** ClientHellos that repeat an earlier one after a HelloRetryRequest: the same handshake, not another. */
  readonly retries: number;
  /** Whether the bytes are TLS records from the first to the last, at least one. */
  readonly tls: boolean;
};

const handshakeType = 22;
const clientHelloType = 1;
const recordHeaderBytes = 5;
const handshakeHeaderBytes = 4;
/** RFC 8446 §5.1 (2^14) and TLS 1.2's expansion (RFC 5246 §6.2.3). */
const largestRecordBytes = 2 ** 14 + 2048;

/**
 * Counts ClientHellos in what a client sent on one connection (RFC 8446 §5.1 records, §4 handshake messages, which may
 * be split over records). After a HelloRetryRequest the client sends its hello again with the same random (§4.1.2):
 * that one is counted apart. Encrypted records are no concern: 1.3 wraps them as type 23, and an encrypted 1.2 one
 * would have to parse as a whole ClientHello.
 */
export function countClientHellos(bytes: Uint8Array): ClientHelloCount {
  const randoms = new Set<string>();
  let clientHellos = 0;
  let retries = 0;
  let pending = Buffer.alloc(0);
  let offset = 0;
  while (offset + recordHeaderBytes <= bytes.length) {
    const record = readRecord(bytes, offset);
    if (record === null) return { clientHellos, retries, tls: false };
    offset += recordHeaderBytes + record.length;
    if (offset > bytes.length) break;
    if (record.type !== handshakeType) {
      // §5.1: no other record may come between the parts of a handshake message.
      pending = Buffer.alloc(0);
      continue;
    }
    pending = Buffer.concat([pending, record.fragment]);
    for (let message = readMessage(pending); message !== null; message = readMessage(pending)) {
      pending = pending.subarray(handshakeHeaderBytes + message.body.length);
      const random = message.type === clientHelloType ? clientHelloRandom(message.body) : null;
      if (random === null) continue;
      if (randoms.has(random)) retries += 1;
      else clientHellos += 1;
      randoms.add(random);
    }
  }
  return { clientHellos, retries, tls: offset > 0 };
}

type TlsRecord = { readonly type: number; readonly length: number; readonly fragment: Uint8Array };

function readRecord(bytes: Uint8Array, offset: number): TlsRecord | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  const type = view.getUint8(0);
  const length = view.getUint16(3);
  if (type < 20 || type > 24 || view.getUint8(1) !== 3 || length > largestRecordBytes) return null;
  const start = offset + recordHeaderBytes;
  return { type, length, fragment: bytes.subarray(start, start + length) };
}

function readMessage(bytes: Buffer): { readonly type: number; readonly body: Buffer } | null {
  if (bytes.length < handshakeHeaderBytes) return null;
  const end = handshakeHeaderBytes + bytes.readUIntBE(1, 3);
  return bytes.length < end ? null : { type: bytes.readUInt8(0), body: bytes.subarray(handshakeHeaderBytes, end) };
}

/** The random of a ClientHello (§4.1.2) whose vectors fill its body exactly, else `null`. */
function clientHelloRandom(body: Buffer): string | null {
  if (body.length < 35 || body.readUInt8(0) !== 3) return null;
  let offset = 34;
  for (const [lengthBytes, least, multiple] of [
    [1, 0, 1], // legacy_session_id
    [2, 2, 2], // cipher_suites
    [1, 1, 1], // legacy_compression_methods
    [2, 0, 1], // extensions
  ] as const) {
    // TLS 1.2 allows a hello without extensions at all (RFC 5246 §7.4.1.2).
    if (offset === body.length && lengthBytes === 2 && least === 0) break;
    if (offset + lengthBytes > body.length) return null;
    const length = body.readUIntBE(offset, lengthBytes);
    if (length < least || length % multiple !== 0) return null;
    offset += lengthBytes + length;
  }
  return offset === body.length ? body.toString("hex", 2, 34) : null;
}
