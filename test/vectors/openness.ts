import { parseBaseUrl } from "@sealpost/protocol/documents/base-url.ts";

import { deviceId, kidOf, now, serviceId } from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

/** What a device of version 1 passes over and what it refuses, in structures that are not signed themselves. */

export type BaseUrlVector = {
  readonly text: string;
  /** To append a path to. */
  readonly base?: string;
};

export function baseUrls(): VectorFile<BaseUrlVector> {
  const good: [string, string][] = [
    ["http://messages.example", "http://messages.example"],
    ["https://messages.example/plane//", "https://messages.example/plane"],
    ["HTTP://Messages.Example:80/Plane", "http://messages.example/Plane"],
    ["http://192.0.2.1:8080", "http://192.0.2.1:8080"],
    ["http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"],
  ];
  const bad = [
    "mqtts://messages.example",
    "http:messages.example",
    "http:\\\\messages.example",
    "http://:80",
    "messages.example",
    "",
    "http://user:secret@messages.example",
    "http://@messages.example",
    "http://messages.example?",
    "http://messages.example/?a=b",
    "http://messages.example/#",
    " http://messages.example",
    "http://messages.example\n",
    "http://münchen.example",
    "http://messages.example:25",
    "http://messages.example:0",
    `http://messages.example/${"a".repeat(2_048)}`,
  ];
  const defectOf = (text: string) => {
    const parsed = parseBaseUrl(text, ["http", "https"]);
    return "defect" in parsed ? parsed.defect : "";
  };
  return {
    valid: good.map(([text, base]) => ({ name: text, text, base })),
    invalid: bad.map((text) => ({ name: text.slice(0, 60) || "empty", change: defectOf(text), error: "claims", text })),
  };
}

type Document = { readonly [member: string]: unknown };
export type DocumentVector = { readonly document: Document };

export async function credentialPackages(): Promise<VectorFile<DocumentVector>> {
  const root = await kidOf("root");
  const standby = await kidOf("standby");
  const base = {
    type: "sealpost-credential",
    version: 1,
    serviceId,
    credentialId: deviceId,
    secret: "A".repeat(43),
    bootstrapUrl: "https://bootstrap.example/bootstrap",
    roots: [root, standby],
  };
  const cases: [name: string, change: Document][] = [
    ["of another type", { type: "sealpost-ticket" }],
    ["of another version", { version: 2 }],
    ["no pin", { roots: [] }],
    ["a pin that is no thumbprint", { roots: ["root"] }],
    ["a secret too short", { secret: "A".repeat(21) }],
    ["bootstrap without TLS", { bootstrapUrl: "http://bootstrap.example" }],
    ["no service id", { serviceId: undefined }],
  ];
  return {
    valid: [
      { name: "root and standby", document: base },
      { name: "root alone", document: { ...base, roots: [root] } },
      { name: "passed over: an unknown member", document: { ...base, batch: 7 } },
      { name: "passed over: a third pin", document: { ...base, roots: [root, standby, { kty: "AKP" }] } },
    ],
    invalid: cases.map(([name, change]) => ({
      name,
      change: Object.keys(change).join(),
      error: "claims",
      document: { ...base, ...change },
    })),
  };
}

export type AnswerVector = DocumentVector & { readonly answer: "keys" | "key-retired" | "token" | "certificate" };

/** Answers by their form alone; what is signed in them proves itself, and is here a text. */
export function answers(): VectorFile<AnswerVector> {
  const catchUp = { trust: [["a.b.c"]], keySet: "a.b.c" };
  const der = "A".repeat(64);
  const forms = {
    keys: catchUp,
    "key-retired": {
      type: "urn:sealpost:problem:key-retired",
      title: "",
      status: 409,
      code: "key-retired",
      ...catchUp,
    },
    token: { access_token: "a.b.c", token_type: "Bearer", expires_in: 300 },
    certificate: { deviceId, chain: [der, der], ...catchUp, time: now },
  } as const satisfies Record<AnswerVector["answer"], Document>;
  const of = (name: string, answer: AnswerVector["answer"], change: Document = {}) => ({
    name: `${answer}: ${name}`,
    answer,
    document: { ...forms[answer], ...change },
  });
  const cases: [name: string, answer: AnswerVector["answer"], change: Document][] = [
    ["no trust", "keys", { trust: undefined }],
    ["an empty chain", "keys", { trust: [] }],
    ["no key set", "key-retired", { keySet: undefined }],
    ["another token type", "token", { token_type: "DPoP" }],
    ["one certificate", "certificate", { chain: [der] }],
    ["no time", "certificate", { time: undefined }],
    ["a device id that is no UUID", "certificate", { deviceId: "device" }],
  ];
  return {
    valid: [
      ...(["keys", "key-retired", "token", "certificate"] as const).flatMap((answer) => [
        of("as it is", answer),
        of("passed over: an unknown member", answer, { more: { of: "a later service" } }),
      ]),
      of("a chain of 64 documents", "keys", { trust: Array.from({ length: 64 }, () => ["a.b.c"]) }),
      of("passed over: a third certificate", "certificate", { chain: [der, der, der] }),
      of("a certificate of 30,000 characters", "certificate", { chain: ["A".repeat(30_000), der] }),
    ],
    invalid: cases.map(([name, answer, change]) => ({
      change: Object.keys(change).join(),
      error: "claims",
      ...of(name, answer, change),
    })),
  };
}
