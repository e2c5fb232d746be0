import { readFileSync } from "node:fs";

import { messageSchemes, parseBaseUrl } from "@sealpost/protocol/documents/base-url.ts";
import { hardwareSchema, modelSchema } from "@sealpost/protocol/exchanges/firmware.ts";
import { idPrefixSchema, idSchema } from "@sealpost/protocol/operator/act.ts";
import { type SigningJwk, signingJwkSchema } from "@sealpost/protocol/suites/suites.ts";
import { InvalidArgumentError } from "commander";
import * as z from "zod/mini";

import { parseDuration } from "./duration.ts";

/** Parsers of option values; commander names the option in front of what they say. */

/** A whole id, or what it begins with; `wholeId` finds the one. */
export const idOption = fitting(
  z.union([idSchema, idPrefixSchema]),
  "It is an id as lists show it, or its first 4 characters or more.",
);

export function durationOption(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  throw new InvalidArgumentError("It is a number and a unit: 90s, 15m, 12h, 7d, 2w.");
}

export function countOption(text: string): number {
  if (/^[1-9]\d{0,14}$/u.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number from 1.");
}

export const dayOption = fitting(z.iso.date(), "It is a day in UTC, as 2026-11-23.");

export const modelOption = fitting(
  modelSchema,
  "It is up to 64 letters, digits, dots, hyphens and underscores, as the device registers it.",
);

export const hardwareOption = fitting(
  hardwareSchema,
  "It is up to 32 letters, digits, dots, hyphens and underscores, as the device registers it.",
);

/** Where devices send messages, by the rule that they read it by. */
export function messageUrlOption(text: string): string {
  return baseUrl(text, messageSchemes, "It is an http or https URL, as http://devices.example.com.");
}

/** A device sends its credential to nothing but https. */
export function bootstrapUrlOption(text: string): string {
  return baseUrl(text, ["https"], "It is an https URL, as https://api.example.com/bootstrap.");
}

function baseUrl(text: string, schemes: readonly string[], form: string): string {
  const parsed = parseBaseUrl(text, schemes);
  if ("base" in parsed) return parsed.base;
  throw new InvalidArgumentError(`It ${parsed.defect}. ${form}`);
}

/** A file with a public key as JWK. */
export function publicJwkOption(path: string): SigningJwk {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new InvalidArgumentError(`${path} is not a file with JSON.`);
  }
  if (typeof json === "object" && json !== null && "d" in json) {
    throw new InvalidArgumentError(
      `${path} holds a private key. Name a file with its public members alone, and keep this one offline.`,
    );
  }
  const { kty, crv, x, y }: { [member: string]: unknown } = { ...(typeof json === "object" ? json : {}) };
  const jwk = signingJwkSchema.safeParse({ kty, crv, x, y });
  if (jwk.success) return jwk.data;
  throw new InvalidArgumentError(`${path} is not a public P-256 key as JWK (kty, crv, x, y).`);
}

/**
 * Takes what fits the schema of what the option becomes, so that nothing is begun that cannot end.
 * @param form what fits, in words
 */
export function fitting<T>(schema: z.ZodMiniType<T>, form: string) {
  return (text: string): T => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(form);
  };
}

/**
 * Collects a repeated or variadic option through a parser; nothing is named twice.
 * @param list of what all of them become together, and its bound in words
 */
export function several<T>(
  parse: (text: string) => T,
  list?: { readonly schema: z.ZodMiniType; readonly form: string },
) {
  return (text: string, earlier: readonly T[] = []): T[] => {
    const value = parse(text);
    if (earlier.includes(value)) throw new InvalidArgumentError("It is named twice.");
    const all = [...earlier, value];
    if (list && !list.schema.safeParse(all).success) throw new InvalidArgumentError(list.form);
    return all;
  };
}
