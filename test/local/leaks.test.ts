import { randomBytes } from "node:crypto";
import { assert, property, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";

import { encodingsOf } from "../../local/demo/leak-encodings.ts";
import { findLeaks, plantCanaries } from "../../local/demo/leaks.ts";

const secret = randomBytes(32);
const secrets = new Map([["credential", new Uint8Array(secret)]]);
const around = (text: string | Buffer): Buffer => Buffer.concat([randomBytes(50), Buffer.from(text), randomBytes(50)]);

describe("findLeaks", () => {
  it.each(plantCanaries(secret))("ok/finds a planted secret: $name", ({ name, bytes }) => {
    const { leaks } = findLeaks([{ name, bytes }], secrets);
    expect(leaks).toContainEqual(expect.objectContaining({ secret: "credential", recording: name }));
  });

  it("ok/finds base64 and base64url at every alignment, for any secret and surroundings", () => {
    const bytes = (minLength: number, maxLength: number) => uint8Array({ minLength, maxLength });
    assert(
      property(bytes(12, 80), bytes(0, 9), bytes(0, 9), (hidden, before, after) => {
        const whole = Buffer.concat([before, hidden, after]);
        for (const encoding of ["base64", "base64url"] as const) {
          const text = Buffer.from(whole.toString(encoding));
          const found = encodingsOf(hidden).some((each) => each.name === encoding && text.includes(each.needle));
          expect(found).toBe(true);
        }
      }),
    );
  });

  it("ok/finds a secret inside Basic authentication (RFC 7617)", () => {
    const password = secret.toString("base64url");
    const header = Buffer.from(`8f14e45f-device:${password}`).toString("base64");
    const recording = { name: "request", bytes: around(`Authorization: Basic ${header}\r\n`) };
    const { leaks } = findLeaks([recording], new Map([["password", Buffer.from(password)]]));
    expect(leaks).toEqual([
      { secret: "password", encoding: "base64", recording: "request" },
      { secret: "password", encoding: "base64url", recording: "request" },
    ]);
  });

  it("ok/finds nothing where there is nothing", () => {
    expect(findLeaks([{ name: "noise", bytes: randomBytes(100_000) }], secrets).leaks).toEqual([]);
  });

  it("fails/refuses to call an empty recording clean", () => {
    expect(() => findLeaks([], secrets)).toThrow("Nothing was recorded");
    expect(() => findLeaks([{ name: "a", bytes: new Uint8Array() }], secrets)).toThrow("Nothing was recorded");
  });

  it("fails/refuses a secret too short to be told from chance", () => {
    const short = new Map([["pin", Buffer.from("123456")]]);
    expect(() => findLeaks([{ name: "noise", bytes: randomBytes(100) }], short)).toThrow("too short");
  });
});
