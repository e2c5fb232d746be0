import { randomBytes } from "node:crypto";

import { type Encoding, encodingsOf, withoutLineBreaks } from "./leak-encodings.ts";
import { LocalFault } from "../fault.ts";

export type Recording = { readonly name: string; readonly bytes: Uint8Array };

export type Leak = {
  readonly secret: string;
  readonly encoding: Encoding["name"];
  readonly recording: string;
};

export type LeakSearch = { readonly leaks: readonly Leak[]; readonly canariesFound: number };

/** Anything shorter turns up by chance in enough recorded bytes. */
const shortestSecretBytes = 12;
const canaryBytes = 32;

/**
 * Finds secrets in recorded bytes: raw, hex and base64(url) at each alignment. It first finds planted canaries in every
 * one of these encodings among the same bytes: a scan that could not find anything is a fault, not a clean result.
 * Name the text of a secret and the bytes it decodes to as two secrets.
 */
export function findLeaks(recordings: readonly Recording[], secrets: ReadonlyMap<string, Uint8Array>): LeakSearch {
  if (recordings.every(({ bytes }) => bytes.length === 0)) {
    throw new LocalFault("leak-scan-blind", "Nothing was recorded, so there is nothing to scan.");
  }
  const canary = randomBytes(canaryBytes);
  const planted = plantCanaries(canary);
  const searched = [...recordings, ...planted].map(searchable);
  const found = new Set(scan(searched, "canary", canary).map(({ recording }) => recording));
  const missed = planted.filter(({ name }) => !found.has(name));
  if (missed.length > 0) {
    const names = missed.map(({ name }) => name).join("; ");
    throw new LocalFault("leak-scan-blind", `The leak scan missed planted canaries: ${names}`);
  }
  const leaks = [...secrets].flatMap(([name, bytes]) => {
    if (bytes.length < shortestSecretBytes) {
      throw new LocalFault(
        "leak-scan-blind",
        `The secret ${name} is too short (${bytes.length} bytes) to be told from chance.`,
      );
    }
    return scan(searched, name, bytes);
  });
  return { leaks, canariesFound: found.size };
}

/** One recording per encoding, each of which hides `secret` in random surroundings. */
export function plantCanaries(secret: Uint8Array): readonly Recording[] {
  const around = (bytes: Uint8Array): Buffer => Buffer.concat([randomBytes(97), bytes, randomBytes(89)]);
  const hex = Buffer.from(secret).toString("hex");
  const aligned = [0, 1, 2].flatMap((offset) => {
    const plain = Buffer.concat([randomBytes(3 + offset), secret, randomBytes(4)]);
    const wrapped = (plain.toString("base64").match(/.{1,16}/gu) ?? []).join("\r\n");
    return [
      [`canary base64 ${offset}`, plain.toString("base64")],
      [`canary base64url ${offset}`, plain.toString("base64url")],
      [`canary base64 ${offset}, wrapped`, wrapped],
    ] as const;
  });
  const texts = [["canary hex", hex], ["canary HEX", hex.toUpperCase()], ...aligned] as const;
  return [
    { name: "canary raw", bytes: around(secret) },
    ...texts.map(([name, text]) => ({ name, bytes: around(Buffer.from(text, "latin1")) })),
  ];
}

type Searchable = { readonly name: string; readonly views: readonly Buffer[] };

function searchable({ name, bytes }: Recording): Searchable {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { name, views: whole.includes(0x0a) ? [whole, withoutLineBreaks(whole)] : [whole] };
}

function scan(searched: readonly Searchable[], secret: string, bytes: Uint8Array): readonly Leak[] {
  const encodings = encodingsOf(bytes);
  return searched.flatMap(({ name: recording, views }) =>
    encodings
      .filter(({ needle }) => views.some((view) => view.includes(needle)))
      .map(({ name: encoding }) => ({ secret, encoding, recording })),
  );
}
