import { describe, expect, it } from "vitest";

import { countClientHellos } from "../../local/network/client-hello.ts";

function clientHello(random: number, extensions: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, random),
    Buffer.from([0]), // legacy_session_id
    Buffer.from([0, 2, 0x13, 0x01]), // cipher_suites
    Buffer.from([1, 0]), // legacy_compression_methods
    Buffer.from([extensions.length >> 8, extensions.length & 0xff]),
    extensions,
  ]);
  return Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body]);
}

function record(type: number, fragment: Buffer): Buffer {
  const header = Buffer.from([type, 3, 1, fragment.length >> 8, fragment.length & 0xff]);
  return Buffer.concat([header, fragment]);
}

const changeCipherSpec = record(20, Buffer.from([1]));
const applicationData = record(23, Buffer.alloc(100, 1));

describe("countClientHellos", () => {
  it("ok/counts one hello followed by encrypted records", () => {
    const bytes = Buffer.concat([record(22, clientHello(7)), changeCipherSpec, applicationData]);
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 1, retries: 0, tls: true });
  });

  it.each([1, 3, 4, 5, 44])("ok/reassembles a hello cut into records after %i bytes", (at) => {
    const hello = clientHello(7, Buffer.alloc(300));
    const bytes = Buffer.concat([record(22, hello.subarray(0, at)), record(22, hello.subarray(at)), applicationData]);
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 1, retries: 0, tls: true });
  });

  it("ok/counts the hello after a HelloRetryRequest as a retry", () => {
    const bytes = Buffer.concat([
      record(22, clientHello(7)),
      changeCipherSpec,
      record(22, clientHello(7, Buffer.alloc(60))),
      applicationData,
    ]);
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 1, retries: 1, tls: true });
  });

  it("ok/counts a hello with another random as another handshake", () => {
    const bytes = Buffer.concat([record(22, clientHello(7)), record(22, clientHello(8))]);
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 2, retries: 0, tls: true });
  });

  it("ok/does not take an encrypted TLS 1.2 handshake record for a hello", () => {
    const finished = record(22, Buffer.concat([Buffer.from([1, 0, 0, 36]), Buffer.alloc(36, 9)]));
    const bytes = Buffer.concat([record(22, clientHello(7)), changeCipherSpec, finished]);
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 1, retries: 0, tls: true });
  });

  it("ok/counts none in an unfinished record", () => {
    const bytes = record(22, clientHello(7)).subarray(0, -1);
    expect(countClientHellos(bytes).clientHellos).toBe(0);
  });

  it("fails/says that HTTP is not TLS", () => {
    const bytes = Buffer.from("POST /messages HTTP/1.1\r\n\r\n");
    expect(countClientHellos(bytes)).toEqual({ clientHellos: 0, retries: 0, tls: false });
  });
});
