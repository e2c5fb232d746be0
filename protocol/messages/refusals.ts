import * as z from "zod/mini";

import { ifUsable } from "../documents/open.ts";

/**
 * The closed list of sealed refusals. `final`: the message is resolved and its `seq` used up; the others are never stored and the same
 * message is sent again, at once after what `detail` says, or later. `detail` is what an operator reads; it names no value of the request.
 * `stored`: the number of the code in a device's stored outcomes, for the life of a service (append, never renumber; 0 is `ok`); null: it is
 * never stored.
 */
export const refusals = {
  malformed: {
    stored: 1,
    final: true,
    detail: "A claim or body member is missing, unknown or out of range; `field` names it.",
  },
  "unsupported-operation": { stored: 2, final: true, detail: "This service does not know the operation." },
  conflict: {
    stored: null,
    final: true,
    detail: "Another message already used this seq; this one has no effect, ever.",
  },
  "below-window": {
    stored: null,
    final: true,
    detail: "The seq is older than the service remembers; its fate is unknown.",
  },
  "too-far-ahead": {
    stored: null,
    final: false,
    detail: "The seq is further ahead of ack than the window allows; resolve older messages first.",
  },
  clock: {
    stored: null,
    final: false,
    detail: "iat and exp do not contain the service's time; renew them from `time`, keep seq, jti and body.",
  },
  throttled: {
    stored: null,
    final: false,
    detail: "The service is busy, or the device asks for more than its share; try again later.",
  },
  "not-registered": { stored: 3, final: true, detail: "The device has not registered; send `register` first." },
  revoked: { stored: 4, final: true, detail: "The operator revoked this device; this is never lifted." },
  gone: { stored: 5, final: true, detail: "This device has de-registered; this is never lifted." },
  "invalid-proof": {
    stored: 6,
    final: true,
    detail: "The PKCS#10 request does not prove possession of the new keys for this device.",
  },
  "reply-too-large": {
    stored: null,
    final: true,
    detail: "The message took effect; its reply is larger than `replyBytes` of the request.",
  },
  superseded: { stored: 7, final: true, detail: "A later renewal has already been applied." },
  "unknown-release": { stored: 8, final: true, detail: "The service has no such release for this device." },
  "unknown-command": { stored: 9, final: true, detail: "The device was given no such command under this number." },
} as const satisfies Record<string, { stored: number | null; final: boolean; detail: string }>;

export type RefusalCode = keyof typeof refusals;
/** Codes that use up a `seq` and are told again. */
export type StoredRefusalCode = {
  [C in RefusalCode]: (typeof refusals)[C]["stored"] extends number ? C : never;
}[RefusalCode];

export function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(refusals, code);
}

export const refusalCodes: readonly RefusalCode[] = Object.keys(refusals).filter(isRefusalCode);

export const storedRefusalCodes: readonly StoredRefusalCode[] = refusalCodes.filter(isStored);

function isStored(code: RefusalCode): code is StoredRefusalCode {
  return refusals[code].stored !== null;
}

/** Body of a sealed refusal. */
export type RefusalBody = {
  /** For people. */
  readonly detail: string;
  /** Send the same message again. */
  readonly retry: boolean;
  /** The claim or body member at fault, as `body.model`. */
  readonly field?: string | undefined;
  /** `conflict`, `below-window`: the highest seq the service has accepted; the device goes on above it. */
  readonly highest?: number | undefined;
  /** `clock`: the service's time, Unix seconds. */
  readonly time?: number | undefined;
};

const count = ifUsable(z.int().check(z.nonnegative()));
/** A refusal is believed for its signature, and says no whatever else it says. */
const refusalBodySchema = z.object({
  detail: ifUsable(z.string().check(z.maxLength(256))),
  retry: ifUsable(z.boolean()),
  field: ifUsable(z.string().check(z.maxLength(128))),
  highest: count,
  time: count,
});

/** Reads the body of an authentic refusal; what it does not say the code does, and an unknown one is final. */
export function readRefusal(code: string, body: unknown): RefusalBody {
  const known = isRefusalCode(code) ? refusals[code] : { detail: "", final: true };
  const { detail = known.detail, retry = !known.final, ...more } = refusalBodySchema.parse(body);
  return { detail, retry, ...more };
}

/** An expected no, as a value. */
export type Refusal = { readonly code: RefusalCode } & Partial<Pick<RefusalBody, "field" | "highest" | "time">>;

/** One that may be stored. */
export type StoredRefusal = Refusal & { readonly code: StoredRefusalCode };

/** As it is sent: the code stands for `detail`, and for `retry` where it is final. */
export function refusalBody({ code, ...more }: Refusal): Partial<RefusalBody> {
  return refusals[code].final ? more : { retry: true, ...more };
}
