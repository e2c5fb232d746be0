import { issueCaCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { type ServerKey, openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { type TrustClaims, readTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";

import type { PresentKeys } from "../../functions/custody/port.ts";
import type { BootstrapPorts } from "../../functions/bootstrap/ports.ts";
import { serveExchanges } from "../../functions/exchanges/exchanges.ts";
import type { MessageKeys } from "../../functions/key-set/message-keys.ts";
import { publishKeySet } from "../../functions/key-set/sign.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { readCatchUp, readDocumentVersions } from "../../functions/store/catch-up.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Put, Store } from "../../functions/store/port.ts";
import type { CredentialRecord } from "../../functions/store/records.ts";
import { readCommands } from "../../functions/registry/command-items.ts";
import { releases } from "../../functions/releases/releases.ts";
import { signingKey } from "./keys.ts";
import { agreementOpener, rsaOpener } from "./software-custody.ts";

export const serviceId = "sealpost-test";
/** The fixed present of the tests, Unix seconds. */
export const present = 1_800_000_000;

export type TestService = Awaited<ReturnType<typeof startService>>;

/** The functions of a service over the memory store, with real keys of their own and a published trust document. */
export async function startService(store: Store = memoryStore()) {
  const [root, ca, keySetKey, firstTokenKey, receiptKey, releaseKey, replyKey] = await Promise.all(
    Array.from({ length: 7 }, signingKey),
  );
  if (!root || !ca || !keySetKey || !firstTokenKey || !receiptKey || !releaseKey || !replyKey) throw new Error("keys");
  const [rsa, agreement] = await Promise.all([rsaOpener(), agreementOpener()]);
  const issuingCa = await issueCaCertificate({
    serviceId,
    caKey: ca.jwk,
    root,
    rootKey: root.jwk,
    now: new Date(present * 1000),
  });
  const trust: TrustClaims = {
    iss: serviceId,
    iat: present,
    version: 1,
    root: root.jwk,
    issuingCa,
    keySetKeys: [keySetKey.jwk],
    receiptKeys: [receiptKey.jwk],
    releaseKeys: [releaseKey.jwk],
    releaseThreshold: 1,
    messageUrls: ["http://messages.test"],
  };
  const chain = [await signTrust(trust, [root])];
  const trustItem: Put = { table: "trust", item: { item: "trust", revision: 1, version: 1, chain }, when: "absent" };
  await store.write([trustItem]);
  const listed: PresentKeys = { replySigner: replyKey, openers: [rsa] };
  await publishKeySet({ serviceId, generation: 1, store, signer: keySetKey, keys: heldKeys(listed) }, () => present);

  const catchUp = () => readCatchUp(store);
  // Not what a test counts or breaks: a warm function reads them once a minute.
  const read = store.read.bind(store);
  const bootstrap: BootstrapPorts = {
    serviceId,
    generation: 1,
    store,
    firstTokenSigner: async () => firstTokenKey,
    ca: async () => ca,
    readCatchUp: catchUp,
  };
  /** Tests rotate them. */
  const messageKeys: { -readonly [K in keyof PresentKeys]: PresentKeys[K] } = {
    openers: [rsa, agreement],
    replySigner: replyKey,
  };
  const messages: MessagePorts = {
    serviceId,
    generation: 1,
    store,
    serverKeys: { at: async () => messageKeys },
    readCatchUp: catchUp,
    documentVersions: () => readDocumentVersions({ read }),
    exchanges: serveExchanges({
      serviceId,
      releases: releases(store, async (wrapped) => Buffer.from(wrapped, "base64")),
      commands: (deviceId, numbers) => readCommands(store, deviceId, numbers),
      receiptSigner: async () => receiptKey,
      ca: async () => ca,
    }),
  };
  const published = await catchUp();
  if (!published) throw new Error("nothing published");
  const keySet = await openKeySet(published.keySet, { serviceId, keySetKeys: readTrust(published.trust).keySetKeys });
  const serverKeys: Record<"rsa" | "agreement", ServerKey> = {
    rsa,
    agreement,
  };
  return {
    messageKeys,
    keySetKey,
    ca,
    store,
    bootstrap,
    messages,
    keySet,
    trust,
    chain,
    serverKeys,
    root,
    receiptKey,
    releaseKey,
    replyKey,
    firstTokenKey,
  };
}

/** Message keys that tests hold themselves, as keys that are wanted instead of whatever was listed before. */
export function heldKeys({ replySigner, openers: [opener] }: PresentKeys): MessageKeys {
  if (!opener) throw new Error("no opener");
  const wanted = ({ kid }: { kid: string }) => ({ custody: { kind: "kms", kmsKey: kid }, handover: false }) as const;
  const held = <K extends { kid: string }>(key: K) => ({ ...key, half: { kmsKey: key.kid } });
  return {
    signing: { wanted: wanted(replySigner), make: async (at) => ({ ...held(bare(replySigner)), ...at }) },
    decryption: { wanted: wanted(opener), make: async (at) => ({ ...held(bare(opener)), ...at }) },
  };
}

function bare<A, J>({ kid, alg, jwk }: { kid: string; alg: A; jwk: J }) {
  return { kid, alg, jwk };
}

/** Stores an issued credential, as the operator API does. */
export async function storeCredential(
  store: Store,
  credential: Pick<CredentialRecord, "credentialId" | "secretHash"> & Partial<CredentialRecord>,
): Promise<void> {
  const item: CredentialRecord = {
    shard: credential.credentialId.slice(0, 1),
    revision: 0,
    status: "issued",
    serialNumber: "SN-1",
    created: present,
    createdBy: "arn:aws:iam::123456789012:user/operator",
    validUntil: present + 3_600,
    expires: present + 7_200,
    ...credential,
  };
  await store.write([{ table: "credentials", item, when: "absent" }]);
}
