import { memberOf, type Signer } from "@sealpost/protocol/token/jws.ts";
import type { EcPublicJwk } from "@sealpost/protocol/token/keys.ts";
import type { Refusal } from "@sealpost/protocol/messages/refusals.ts";
import type * as z from "zod/mini";

import type { Device } from "../registry/device.ts";
import type { Result } from "../registry/window.ts";
import type { DeviceKeys, DeviceStatus, JournalAction, OffersRecord, ReleaseRecord } from "../store/records.ts";

/** Reads of releases; a release never changes, so what was read once is remembered. */
export type Releases = {
  offers(target: string): Promise<OffersRecord | undefined>;
  get(target: string, counter: number): Promise<ReleaseRecord | undefined>;
  /** Decrypts a release's content key, once for each release and warm function. */
  contentKey(release: ReleaseRecord): Promise<Uint8Array>;
};

/** What the exchanges reach beyond the device's own items. */
export type ExchangePorts = {
  readonly serviceId: string;
  readonly releases: Releases;
  readonly receiptSigner: Signer;
  readonly ca: { readonly signer: Signer; readonly key: EcPublicJwk };
};

/** The circumstances of one message. */
export type Circumstances = {
  readonly device: Device;
  /** The keys under which the message was signed. */
  readonly keys: DeviceKeys;
  readonly seq: number;
  /** Unix seconds. */
  readonly now: number;
};

/** What a message changes beyond the device's window. */
export type Effect = {
  /** Stored as the outcome; the reply's body is made from it. */
  readonly result: Result;
  readonly device?: Partial<Pick<Device, "identity" | "status">>;
  /** A change of the device's life, recorded in the same write. */
  readonly journal?: { readonly action: JournalAction; readonly detail: { readonly [member: string]: unknown } };
};

export type Decision = { readonly effect: Effect } | { readonly refusal: Refusal };

/** One exchange: a row of the table in `exchanges.ts`. */
export type Exchange = {
  /** Statuses of a device in which the exchange runs. */
  readonly statuses: readonly DeviceStatus[];
  decide(body: unknown, circumstances: Circumstances, ports: ExchangePorts): Promise<Decision>;
  /** The reply's body, from the stored result: the same for the first answer and for every repeat. */
  reply(result: Result, device: Device, ports: ExchangePorts): Promise<Result>;
};

export type Gathered<Facts> = { readonly facts: Facts } | { readonly refusal: Refusal };

/**
 * Builds a row from typed parts: the body is parsed once, `gather` fetches what the decision needs from outside, and `decide` is pure.
 */
export function exchange<Body, Facts = undefined>(row: {
  readonly statuses: readonly DeviceStatus[];
  readonly body: z.ZodMiniType<Body>;
  gather?(body: Body, circumstances: Circumstances, ports: ExchangePorts): Promise<Gathered<Facts>>;
  decide(body: Body, circumstances: Circumstances, facts: Facts): Decision;
  reply?(result: Result, device: Device, ports: ExchangePorts): Promise<Result>;
}): Exchange {
  return {
    statuses: row.statuses,
    async decide(raw, circumstances, ports) {
      const body = row.body.safeParse(raw);
      if (!body.success) return { refusal: { code: "malformed", field: `body.${memberOf(body.error)}` } };
      const gathered = await row.gather?.(body.data, circumstances, ports);
      if (gathered && "refusal" in gathered) return gathered;
      // A row without `gather` leaves Facts at its default, undefined.
      return row.decide(body.data, circumstances, gathered?.facts as Facts);
    },
    reply: row.reply ?? (async (result) => result),
  };
}
