import { limits } from "@sealpost/protocol/limits.ts";
import { requestSuites, signatureSuites, signingJwkSchema } from "@sealpost/protocol/suites/suites.ts";
import { thumbprintSchema } from "@sealpost/protocol/token/keys.ts";
import * as z from "zod/mini";

/**
 * The service's message keys as a list of epochs, and the one step that changes it (docs/protocol.md, section 9.5). Pure: who reads, makes keys,
 * signs and writes is in functions/key-set/.
 */

const hour = 3_600;
/** How long a function may go on with the list that it read. */
const cacheSeconds = 600;
/** Cache life and skew of clocks together are the hour that a key is still listed for. */
const skewSeconds = hour - cacheSeconds;
/** From its first read to its write, an attempt to rotate may take this long. */
const attemptSeconds = 300;

export const epochTimes = {
  cacheSeconds,
  attemptSeconds,
  /** A new epoch is listed for the life of a key set, and an hour, before it is preferred. */
  leadSeconds: limits.keySetSeconds + hour,
  /** From the successor's `nbf` on a key stays listed for this long at least. */
  lingerSeconds: hour,
  /**
   * From the write that delists a key: the life of a key set that listed it, that of a request sealed by it, skew. An attempt writes after the
   * moment it works with, at most `attemptSeconds`.
   */
  keepSeconds: limits.keySetSeconds + limits.longestLifetimeSeconds + skewSeconds + attemptSeconds,
} as const;

const seconds = z.int().check(z.nonnegative());

/** Where a private half is. */
const halfSchema = z.union([
  /** PKCS#8 under the epoch key, with the context `{ service, use, epoch }`; base64. */
  z.strictObject({ wrapped: z.string() }),
  /** ARN of the key that never leaves KMS. */
  z.strictObject({ kmsKey: z.string() }),
]);

const epochMembers = {
  /** Number, from 1; no two epochs of a use have the same. */
  epoch: z.int().check(z.positive()),
  kid: thumbprintSchema,
  /** From when on it is preferred. */
  nbf: seconds,
  /** From when on it opens nothing any more; a listed key has none. */
  eraseAt: z.optional(seconds),
  half: halfSchema,
};

const signingEpochSchema = z.object({
  ...epochMembers,
  alg: z.enum(signatureSuites.map(({ alg }) => alg)),
  jwk: signingJwkSchema,
});
const decryptionEpochSchema = z.object({
  ...epochMembers,
  alg: z.enum(requestSuites.map(({ alg }) => alg)),
  jwk: z.union(requestSuites.map(({ jwk }) => jwk)),
});

const listOf = <E extends z.ZodMiniType>(epoch: E) =>
  z.object({
    /** The last number that was given. */
    highest: z.int().check(z.nonnegative()),
    /** Newest first; delisted ones until they are erased. */
    epochs: z.array(epoch),
  });

/** The one item of its table; docs/storage.md says who reads it. */
export const epochsRecordSchema = z.object({
  item: z.literal("epochs"),
  /** max(previous + 1, Unix time of the write): never the same twice, whatever is lost or restored. */
  revision: z.int().check(z.nonnegative()),
  /** Key generation: a restore raises it, and what was listed before is gone. */
  generation: z.int(),
  signing: listOf(signingEpochSchema),
  decryption: listOf(decryptionEpochSchema),
});
export type EpochsRecord = z.infer<typeof epochsRecordSchema>;
export type SigningEpoch = z.infer<typeof signingEpochSchema>;
export type DecryptionEpoch = z.infer<typeof decryptionEpochSchema>;
export type Epoch = SigningEpoch | DecryptionEpoch;

/** A list of one use. */
export type Epochs<E extends Epoch> = { readonly highest: number; readonly epochs: readonly E[] };

/** Where a new epoch begins. */
export type Beginning = Pick<Epoch, "epoch" | "nbf">;

/** What the deployment wants of a use. */
export type Wanted = {
  readonly custody:
    | { readonly kind: "kms"; readonly kmsKey: string }
    | { readonly kind: "epoch"; readonly epochSeconds: number };
  /** Whether keys of the other custody serve on until their successors have taken over; otherwise they end at once. */
  readonly handover: boolean;
};

export const noEpochs = { highest: 0, epochs: [] } as const;

/**
 * Whether a new key is to be listed now, under which number, and from when on it will be preferred.
 * @param now Unix seconds, as in everything here
 */
export function due<E extends Epoch>(list: Epochs<E>, wanted: Wanted, now: number): Beginning | undefined {
  const epoch = list.highest + 1;
  const present = listed(serving(list, wanted, now));
  const [newest] = present;
  // With nothing listed it begins at once, by every clock.
  if (!newest) return { epoch, nbf: Math.max(0, now - skewSeconds) };
  // One waits at most, and no key is listed twice.
  if (newest.nbf > now) return undefined;
  const next = { epoch, nbf: now + epochTimes.leadSeconds };
  const { custody } = wanted;
  if (custody.kind === "kms") {
    return present.some((epoch) => belongs(epoch, wanted)) ? undefined : next;
  }
  const isLast = !belongs(newest, wanted) || newest.nbf + custody.epochSeconds <= next.nbf;
  return isLast ? next : undefined;
}

export type Step<E extends Epoch> = {
  readonly list: Epochs<E>;
  /** Epochs whose private halves the new list no longer holds. */
  readonly erased: readonly E[];
  readonly changed: boolean;
};

/**
 * The one step from a list to the next: erases what is past its time, delists what its successor has replaced, adds the epoch that is due.
 * @param begun of the key that is `due` at the same `now`; without it the present epochs serve on
 */
export function step<E extends Epoch>(list: Epochs<E>, wanted: Wanted, now: number, begun?: E): Step<E> {
  const kept = serving(list, wanted, now);
  const eraseAt = now + epochTimes.keepSeconds;
  const delisted = kept.map((epoch) => (isReplaced(epoch, kept, now) ? { ...epoch, eraseAt } : epoch));
  const erased = list.epochs.filter((epoch) => !kept.includes(epoch));
  const changed = begun !== undefined || erased.length > 0 || delisted.some((after, at) => after !== kept[at]);
  const next = begun
    ? { highest: begun.epoch, epochs: [begun, ...delisted] }
    : { highest: list.highest, epochs: delisted };
  return { list: next, erased, changed };
}

/** What the key set lists, newest first. */
export function listed<E extends Epoch>(epochs: readonly E[]): readonly E[] {
  return epochs.filter(({ eraseAt }) => eraseAt === undefined);
}

/** The epoch whose key signs replies: the newest that is listed and has begun. */
export function signingNow<E extends Epoch>(epochs: readonly E[], now: number): E | undefined {
  return listed(epochs).find(({ nbf }) => nbf <= now);
}

/** Whether a key may still be used to open. */
export function isAlive({ eraseAt = Infinity }: Epoch, now: number): boolean {
  return now < eraseAt;
}

/** Epochs of another custody that this list still holds: a handover is over when there are none. */
export function leaving<E extends Epoch>({ epochs }: Epochs<E>, wanted: Wanted): readonly E[] {
  return epochs.filter((epoch) => !belongs(epoch, wanted));
}

function serving<E extends Epoch>({ epochs }: Epochs<E>, wanted: Wanted, now: number): readonly E[] {
  return epochs.filter((epoch) => isAlive(epoch, now) && (wanted.handover || belongs(epoch, wanted)));
}

function belongs({ half }: Epoch, { custody }: Wanted): boolean {
  if (custody.kind === "epoch") return "wrapped" in half;
  return "kmsKey" in half && half.kmsKey === custody.kmsKey;
}

function isReplaced<E extends Epoch>(epoch: E, epochs: readonly E[], now: number): boolean {
  if (epoch.eraseAt !== undefined) return false;
  return listed(epochs).some((newer) => newer.epoch > epoch.epoch && newer.nbf + epochTimes.lingerSeconds <= now);
}
