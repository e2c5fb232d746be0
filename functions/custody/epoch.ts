import { type KeyObject, createPrivateKey, createPublicKey, sign } from "node:crypto";

import { ecdhEsA256kw } from "@sealpost/protocol/suites/ecdh-es-a256kw.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { p256JwkSchema } from "@sealpost/protocol/suites/p256.ts";
import { derToRaw } from "@sealpost/protocol/token/der.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import { Fault } from "../fault/fault.ts";
import type { Use } from "./custodies.ts";
import {
  type Beginning,
  type DecryptionEpoch,
  type Epoch,
  type EpochsRecord,
  type SigningEpoch,
  epochTimes,
  isAlive,
  signingNow,
} from "./epochs.ts";
import { unwrapContentKey } from "./key-agreement.ts";
import { lazily } from "./lazily.ts";
import type {
  ContentKeyOpener,
  EpochContext,
  MakeWrappedPair,
  PresentKeys,
  ServerKeys,
  SignerWithKey,
  Unwrap,
} from "./port.ts";

/**
 * Custody `epoch`: key pairs that change. Their private halves are stored wrapped, and are in the clear only in the memory of a function that uses
 * them. A list may hold keys of KMS too: of the other use, or while one custody hands over to the other.
 */

export type EpochPorts = {
  readonly serviceId: string;
  /** The list of this key generation. */
  readonly read: () => Promise<EpochsRecord>;
  readonly unwrap: Unwrap;
  /** For what the list says is in KMS. */
  readonly kms: {
    signer(kmsKey: string, epoch: SigningEpoch): SignerWithKey;
    opener(kmsKey: string, epoch: DecryptionEpoch): ContentKeyOpener;
  };
};

/** A list is read again at half of its life, so that it outlives a read that fails. */
const refreshSeconds = epochTimes.cacheSeconds / 2;
/** How often requests that name unknown keys may cause a read. */
const lookAgainSeconds = 10;

/** The message keys of a list that changes while the service runs. */
export function epochServerKeys(ports: EpochPorts): ServerKeys {
  const halves = unwrappedHalves(ports);
  const list = cachedList(ports.read);
  const openerOf = (epoch: DecryptionEpoch): ContentKeyOpener => {
    const { kid, alg, jwk, half } = epoch;
    if ("kmsKey" in half) return ports.kms.opener(half.kmsKey, epoch);
    const privateKey = halves.of("decryption", epoch, half.wrapped);
    return {
      kid,
      alg,
      jwk,
      open: async (encryptedKey, epk) => unwrapContentKey(await privateKey(), encryptedKey, epk),
    };
  };
  const signerOf = (epoch: SigningEpoch): SignerWithKey => {
    const { kid, alg, jwk, half } = epoch;
    if ("kmsKey" in half) return ports.kms.signer(half.kmsKey, epoch);
    const privateKey = halves.of("signing", epoch, half.wrapped);
    // Asked for r‖s (RFC 7518 §3.4), OpenSSL's binding takes longer than to sign.
    return { kid, alg, jwk, sign: async (data) => derToRaw(sign("sha256", data, await privateKey())) };
  };
  return {
    async at(now): Promise<PresentKeys> {
      const { signing, decryption } = await list.at(now);
      halves.keepAlive([...signing.epochs, ...decryption.epochs], now);
      const signer = signingNow(signing.epochs, now);
      if (!signer) throw new Fault("unavailable", "no listed epoch signs yet");
      const alive = (epochs: readonly DecryptionEpoch[]) => epochs.filter((epoch) => isAlive(epoch, now));
      return {
        replySigner: signerOf(signer),
        openers: alive(decryption.epochs).map(openerOf),
        async lookAgain(kid) {
          const { decryption: present } = await list.again(now, ({ decryption: { epochs } }) => named(epochs, kid));
          const epoch = named(alive(present.epochs), kid);
          return epoch && openerOf(epoch);
        },
      };
    },
  };
}

function named(epochs: readonly DecryptionEpoch[], kid: string): DecryptionEpoch | undefined {
  return epochs.find((epoch) => epoch.kid === kid);
}

/** What was read, for as long as it may be believed; many who ask at once wait for one read. */
function cachedList(read: () => Promise<EpochsRecord>) {
  let last: { readonly list: EpochsRecord; readonly readAt: number } | undefined;
  let reading: Promise<EpochsRecord> | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const refresh = (now: number) => {
    reading ??= read()
      .then((list) => {
        last = { list, readAt: now };
        return list;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  return {
    async at(now: number): Promise<EpochsRecord> {
      const age = last ? now - last.readAt : Infinity;
      // A clock that went back says nothing of an age.
      const usable = age >= 0 && age < epochTimes.cacheSeconds ? last?.list : undefined;
      if (usable && age < refreshSeconds) return usable;
      if (!usable) return refresh(now);
      return refresh(now).catch(() => usable);
    },
    /** The present list, read once more unless it has what is looked for, or that was done just now. */
    async again(now: number, found: (list: EpochsRecord) => unknown): Promise<EpochsRecord> {
      const present = await this.at(now);
      const since = now - lookedAt;
      if (found(present)) return present;
      if (since >= 0 && since < lookAgainSeconds) return reading ?? present;
      lookedAt = now;
      return refresh(now);
    },
  };
}

/** Private halves in the clear, each unwrapped at its first use and forgotten when it may not be used any more. */
function unwrappedHalves({ serviceId, unwrap }: EpochPorts) {
  const halves = new Map<string, () => Promise<KeyObject>>();
  return {
    of(use: Use, { kid, epoch }: Epoch, wrapped: string): () => Promise<KeyObject> {
      const known = halves.get(kid);
      if (known) return known;
      const half = lazily(async () => {
        const pkcs8 = await unwrap(wrapped, contextOf(serviceId, use, epoch));
        return createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
      });
      halves.set(kid, half);
      return half;
    },
    keepAlive(epochs: readonly Epoch[], now: number): void {
      const alive = new Set(epochs.filter((epoch) => isAlive(epoch, now)).map(({ kid }) => kid));
      for (const kid of halves.keys()) if (!alive.has(kid)) halves.delete(kid);
    },
  };
}

/** A new epoch's key for signing. */
export async function makeSigningEpoch(make: MakeWrappedPair, serviceId: string, at: Beginning): Promise<SigningEpoch> {
  return { ...(await wrappedPair(make, contextOf(serviceId, "signing", at.epoch))), alg: es256.alg, ...at };
}

/** A new epoch's key for requests. */
export async function makeDecryptionEpoch(
  make: MakeWrappedPair,
  serviceId: string,
  at: Beginning,
): Promise<DecryptionEpoch> {
  return { ...(await wrappedPair(make, contextOf(serviceId, "decryption", at.epoch))), alg: ecdhEsA256kw.alg, ...at };
}

async function wrappedPair(make: MakeWrappedPair, context: EpochContext) {
  const { publicKey, wrapped } = await make(context);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  const jwk = p256JwkSchema.parse(key.export({ format: "jwk" }));
  return { kid: await thumbprint(jwk), jwk, half: { wrapped } };
}

function contextOf(service: string, use: Use, epoch: number): EpochContext {
  return { service, use, epoch: String(epoch) };
}
