import type { Thumbprint } from "@sealpost/protocol/token/keys.ts";

import { nodeEngine } from "../engine/node-engine.ts";
import type { DeviceKeys, IdentityRecord } from "../store/records.ts";

/** A device's keys through renewals (delivery rules 10 and 11): those in force, and those before them while a renewal is in flight. */
export type KeyRing = Pick<IdentityRecord, "keys" | "previousKeys" | "certificate" | "renewalSeq">;

export type KeyThumbprints = { readonly [role in keyof DeviceKeys]: Thumbprint };

export function thumbprintsOf({ signingKey, encryptionKey }: DeviceKeys): KeyThumbprints {
  return { signingKey: nodeEngine.thumbprint(signingKey), encryptionKey: nodeEngine.thumbprint(encryptionKey) };
}

/** Both the same, each in its role. */
export function areSame(a: KeyThumbprints, b: KeyThumbprints): boolean {
  return a.signingKey === b.signingKey && a.encryptionKey === b.encryptionKey;
}

/** The keys in force: the present ones, and the previous ones until a message arrives under the present. */
export function keysInForce({ keys, previousKeys }: Pick<KeyRing, "keys" | "previousKeys">): DeviceKeys[] {
  return previousKeys ? [keys, previousKeys] : [keys];
}

/** Keys that may speak, and whether the earlier ones end when they do. */
export type Speaking = { readonly keys: DeviceKeys; readonly endsRenewal: boolean };

/** Everyone whose signature a message of the device may bear, the present keys first. */
export function speakingKeys(ring: KeyRing): readonly Speaking[] {
  return keysInForce(ring).map((keys) => ({
    keys,
    endsRenewal: keys === ring.keys && ring.previousKeys !== undefined,
  }));
}

/** `present`: both keys are the present ones, each in its role. `reused`: one is or was a key of the device, in whichever role. */
export function noveltyOf(asked: DeviceKeys, ring: KeyRing): "new" | "present" | "reused" {
  const prints = thumbprintsOf(asked);
  const inForce = keysInForce(ring).map(thumbprintsOf);
  if (inForce[0] && areSame(prints, inForce[0])) return "present";
  const known = new Set(inForce.flatMap(Object.values));
  return Object.values(prints).some((print) => known.has(print)) ? "reused" : "new";
}

/** The new keys are present; those that signed the renewal stay in force. */
export function renewKeys<T extends KeyRing>(
  ring: T,
  renewal: {
    readonly keys: DeviceKeys;
    readonly certificate: string;
    readonly signedBy: DeviceKeys;
    readonly seq: number;
  },
): T {
  const { keys, certificate, signedBy, seq } = renewal;
  return { ...ring, keys, certificate, previousKeys: signedBy, renewalSeq: seq };
}

/** Ends a renewal: from now on these keys alone speak for the device. */
export function settleKeys({ previousKeys: _, ...ring }: IdentityRecord, keys: DeviceKeys): IdentityRecord {
  return { ...ring, keys };
}
