import { type TrustClaims, signTrust } from "@sealpost/protocol/documents/trust.ts";

import { publishKeySet } from "../../../functions/key-set/sign.ts";
import type { ContentKeyOpener, PresentKeys } from "../../../functions/custody/port.ts";
import { type SigningKey, signingKey } from "../../support/keys.ts";
import { heldKeys, serviceId } from "../../support/service.ts";
import { rsaOpener } from "../../support/software-custody.ts";
import type { Bench } from "./bench.ts";

type MessageKeys = { readonly keySetKey: SigningKey; readonly replyKey: SigningKey; readonly opener: ContentKeyOpener };

/** The decryption key of the service as it started, to keep it through a rotation. */
export function presentOpener({ service: { messageKeys } }: Bench): ContentKeyOpener {
  const [opener] = messageKeys.openers;
  if (!opener) throw new Error("no opener");
  return opener;
}

/**
 * Publishes the next trust document, which the root signs, and a key set of new message keys under it; the old message keys are retired, but
 * for those to keep.
 */
export async function rotate(
  bench: Bench,
  change: Partial<TrustClaims> = {},
  keep: Partial<MessageKeys> = {},
): Promise<MessageKeys> {
  const { store, trust, root } = bench.service;
  const keys = { keySetKey: await signingKey(), replyKey: await signingKey(), opener: await rsaOpener(), ...keep };
  const [present] = await store.read([{ table: "trust", key: { item: "trust" } }]);
  const revision = Number(present?.["revision"]);
  const version = revision + 1;
  const next: TrustClaims = { ...trust, version, keySetKeys: [keys.keySetKey.jwk], ...change };
  const item = { item: "trust", revision: version, version, chain: [await signTrust(next, [root])] };
  if (!(await store.write([{ table: "trust", item, when: { revision } }]))) throw new Error("a lost race");
  await publish(bench, keys);
  return keys;
}

/** Publishes a key set of these keys and has the service use them. */
export async function publish(bench: Bench, { keySetKey, replyKey, opener }: MessageKeys): Promise<void> {
  const { store, messageKeys } = bench.service;
  const present: PresentKeys = { replySigner: replyKey, openers: [opener] };
  const ports = { serviceId, generation: 1, store, signer: keySetKey, keys: heldKeys(present) };
  await publishKeySet(ports, () => bench.now + 10);
  Object.assign(messageKeys, present);
}
