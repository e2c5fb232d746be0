import { readFile } from "node:fs/promises";

import { derToRaw, rawToDer } from "@sealpost/protocol/token/der.ts";
import { expect, test } from "vitest";

type Vectors = {
  readonly valid: readonly { readonly name: string; readonly der: string; readonly raw: string }[];
  readonly invalid: readonly { readonly name: string; readonly der: string }[];
};
const url = new URL("../../vectors/der-signature.json", import.meta.url);
const vectors: Vectors = JSON.parse(await readFile(url, "utf8"));
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

test.each(vectors.valid)("ok/$name", ({ der, raw }) => {
  expect(Buffer.from(derToRaw(bytes(der))).toString("hex")).toBe(raw);
  expect(Buffer.from(rawToDer(bytes(raw))).toString("hex")).toBe(der);
});

test.each(vectors.invalid)("fails/$name", ({ der }) => {
  expect(() => derToRaw(bytes(der))).toThrow(expect.objectContaining({ code: "signature" }));
});
