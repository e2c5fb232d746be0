import { createHash } from "node:crypto";

export type RelayAct = "none" | "repeat" | "damageRequest" | "damageReply";

export type RelayShares = {
  readonly seed: string | number;
  /** Share of messages that are sent upstream twice, 0 … 1. */
  readonly repeatShare: number;
  /** Share of messages of which one bit is flipped, in half of them in the request, in the others in the reply. */
  readonly tamperShare: number;
};

export type RelayFate = {
  readonly act: RelayAct;
  /** Where to flip a bit, 0 ≤ position < 1, as a part of the whole. */
  readonly position: number;
};

/** The fate of the n-th message: a function of the seed and n alone, so that concurrency does not change it. */
export function relayPlan(shares: RelayShares): (index: number) => RelayFate {
  const { seed, repeatShare, tamperShare } = shares;
  if (!(repeatShare >= 0 && tamperShare >= 0 && repeatShare + tamperShare <= 1)) {
    throw new RangeError("repeatShare and tamperShare must be at least 0 and at most 1 together.");
  }
  return (index) => {
    const digest = createHash("sha256").update(`${seed}\n${index}`).digest();
    const fate = digest.readUInt32BE(0) / 2 ** 32;
    const position = digest.readUInt32BE(4) / 2 ** 32;
    if (fate < repeatShare) return { act: "repeat", position };
    if (fate >= repeatShare + tamperShare) return { act: "none", position };
    return { act: digest.readUInt8(8) % 2 === 0 ? "damageRequest" : "damageReply", position };
  };
}

/** A copy with one bit flipped; nothing to flip in no bytes. */
export function flipBit(bytes: Buffer, position: number): Buffer {
  const copy = Buffer.from(bytes);
  const bit = Math.floor(position * bytes.length * 8);
  const index = bit >> 3;
  if (index < copy.length) copy[index] = (copy[index] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
