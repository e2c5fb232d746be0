/**
 * What a device may cost for good: entries of the journal are kept for ever, and a renewal takes two signatures. An honest device makes a few
 * acts a year; one that loops, or is taken over, is told to come back later, and everything that costs no act goes on.
 *
 * A bucket in one number: the time up to which acts are paid for (the generic cell rate algorithm). It runs behind the present while the bucket
 * is full, and at most `burst` acts ahead of it.
 */

/** One act is earned back in this time: 96 a day. */
const secondsAnAct = 900;
/** Acts that may be made at once. */
const burst = 32;

/** @param paidUntil Unix seconds; undefined: the bucket is full */
export function isAffordable(paidUntil: number | undefined, acts: number, now: number): boolean {
  return acts === 0 || pay(paidUntil, acts, now) <= now + burst * secondsAnAct;
}

export function pay(paidUntil: number | undefined, acts: number, now: number): number {
  return Math.max(paidUntil ?? 0, now) + acts * secondsAnAct;
}
