import { messageSchemes, parseBaseUrl } from "@sealpost/protocol/documents/base-url.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { DeviceError, type DeviceErrorCode } from "./device-error.ts";
import type { Timing } from "./ports.ts";

/**
 * A base URL as the protocol has it, canonical and without trailing slashes.
 * @throws DeviceError with the code given
 */
export function requireBase(name: string, text: string, schemes: readonly string[], code: DeviceErrorCode): string {
  const parsed = parseBaseUrl(text, schemes);
  if ("base" in parsed) return parsed.base;
  throw new DeviceError(code, `${name} ${parsed.defect}`);
}

/** What each verb takes besides its own input. */
export type VerbOptions = {
  /** Ends the verb: it throws `aborted`, with the signal's reason as `cause`. A message that it queued stays queued. */
  readonly signal?: AbortSignal;
  /** In place of the device's own. */
  readonly maxWaitSeconds?: number;
};

export type DeviceOptions = {
  /** Base URL of a relay that is tried before the service's own addresses. Any will do: nobody trusts it. */
  readonly via?: string;
  /** Whom replies are sealed to. `one-time` keys (the default) give forward secrecy; `certified` saves about 210 bytes a message. */
  readonly replyKey?: "one-time" | "certified";
  /**
   * How long a verb keeps trying before it throws `no-answer`; the message stays queued. It bounds a running try too, and begins anew whenever
   * a message or a piece of an image is through. 0 is one short try. Default: for ever.
   */
  readonly maxWaitSeconds?: number;
  /** The largest reply that this device takes, in bytes of its token; at least 2,048. Default: the protocol's limit. */
  readonly replyBytes?: number;
  /** Validity of a sealed request; more for store-and-forward links. */
  readonly lifetimeSeconds?: number;
  /**
   * `use` (the default): the list of an image's records is held in memory, 32 bytes a record, and each record is compared with its signed digest
   * before it is decrypted and written. `skip`: for devices without that memory. A record is then authenticated under the content key, which
   * every enrolled device of the model knows: one of them, with a relay, could have other bytes written, though never booted.
   */
  readonly recordList?: "use" | "skip";
  /** Exponential back-off with full jitter between these. */
  readonly backOff?: { readonly firstSeconds?: number; readonly mostSeconds?: number };
  readonly timing?: Timing;
  /** Ends every verb of this device, as the signal of a verb ends that one. */
  readonly signal?: AbortSignal;
  /** Told before each pause. */
  readonly onRetry?: (retry: { readonly seconds: number; readonly why: string }) => void;
};

export type Settings = {
  readonly via: string | undefined;
  readonly replyKey: "one-time" | "certified";
  readonly maxWaitSeconds: number;
  readonly replyBytes: number | undefined;
  readonly lifetimeSeconds: number;
  readonly recordList: "use" | "skip";
  readonly firstSeconds: number;
  readonly mostSeconds: number;
  readonly timing: Timing;
  readonly signal: AbortSignal | undefined;
  readonly onRetry: (retry: { readonly seconds: number; readonly why: string }) => void;
};

const hostTiming: Timing = {
  monotonic: () => performance.now() / 1000,
  sleep: (seconds, { signal } = {}) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    }),
  random: Math.random,
};

/**
 * Fills in defaults and clamps to the protocol's limits: what is not authenticated delays a try by an hour at most.
 * @throws DeviceError `argument-invalid`
 */
export function toSettings(options: DeviceOptions): Settings {
  return {
    via: options.via === undefined ? undefined : requireBase("via", options.via, messageSchemes, "argument-invalid"),
    replyKey: options.replyKey ?? "one-time",
    maxWaitSeconds: options.maxWaitSeconds ?? Infinity,
    replyBytes: checkReplyBytes(options.replyBytes),
    lifetimeSeconds: Math.min(options.lifetimeSeconds ?? limits.lifetimeSeconds, limits.longestLifetimeSeconds),
    recordList: options.recordList ?? "use",
    firstSeconds: options.backOff?.firstSeconds ?? 1,
    mostSeconds: Math.min(options.backOff?.mostSeconds ?? limits.retrySeconds, limits.retrySeconds),
    timing: options.timing ?? hostTiming,
    signal: options.signal,
    onRetry: options.onRetry ?? (() => {}),
  };
}

function checkReplyBytes(bytes: number | undefined): number | undefined {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= limits.leastReplyBytes)) return bytes;
  throw new DeviceError("argument-invalid", `replyBytes is not a whole number from ${limits.leastReplyBytes}`);
}
