import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { pollDelay, renewalTime, retryDelay, returnDelay } from "../../device/agent/schedule.ts";
import { seeded } from "../support/seeded.ts";

/** How many fall into each second. */
class Histogram {
  readonly seconds: Uint32Array;

  constructor(length: number) {
    this.seconds = new Uint32Array(length);
  }

  add(time: number): void {
    const second = Math.floor(time);
    if (second < this.seconds.length) this.seconds[second] = (this.seconds[second] ?? 0) + 1;
  }

  sum(from = 0, to = this.seconds.length): number {
    return this.seconds.subarray(from, to).reduce((sum, count) => sum + count, 0);
  }

  peak(from = 0, to = this.seconds.length): number {
    return this.seconds.subarray(from, to).reduce((most, count) => Math.max(most, count), 0);
  }
}

const million = 1_000_000;
const poll = 3_600;

describe("a million devices whose machines start in the same instant", () => {
  const random = seeded(20_261);
  const rounds = new Histogram(4 * poll);
  const firsts = new Histogram(300);
  for (let device = 0; device < million; device += 1) {
    let time = returnDelay(poll, random);
    firsts.add(time);
    for (let isFirst = true; time < 4 * poll; isFirst = false) {
      rounds.add(time);
      time += pollDelay(poll, isFirst, random);
    }
  }
  const usual = million / poll;

  test("ok/all are back within five minutes, at no second more than twice the mean", () => {
    expect(firsts.sum()).toBe(million);
    const mean = million / 300;
    expect(firsts.peak() / mean).toBeLessThan(1.1);
    // What comes back early polls again meanwhile.
    expect(rounds.peak(0, 300) / mean).toBeLessThan(1.2);
  });

  test("ok/the hours after that stay below one and two fifths of the usual rate", () => {
    expect(rounds.peak(300) / usual).toBeLessThan(1.4);
    expect(rounds.sum(poll, 4 * poll) / (3 * million)).toBeCloseTo(1, 1);
  });
});

/** Devices that poll evenly, and a service that nobody reaches for so long. */
function outage(seconds: number, devices: number): { rounds: Histogram; end: number } {
  const random = seeded(seconds);
  const [start, end] = [poll, poll + seconds];
  const rounds = new Histogram(end + 2 * poll);
  for (let device = 0; device < devices; device += 1) {
    let time = random() * poll;
    for (let failures = 0; time < rounds.seconds.length;) {
      rounds.add(time);
      const failed = time >= start && time < end;
      failures = failed ? failures + 1 : 0;
      time += failed ? retryDelay(failures, poll, random) : pollDelay(poll, false, random);
    }
  }
  return { rounds, end };
}

test.each([
  ["a minute", 60],
  ["ten minutes", 600],
  ["an hour", 3_600],
  ["six hours", 21_600],
])("ok/a service that was away for %s meets a smaller crowd than after a power cut", (_, seconds) => {
  const devices = 200_000;
  const { rounds, end } = outage(seconds, devices);
  const afterPowerCut = devices / 300;
  let most = 0;
  // Over ten seconds each: one alone has too few to speak of.
  for (let at = end; at < end + poll; at += 10) most = Math.max(most, rounds.sum(at, at + 10) / 10);
  expect(most / afterPowerCut).toBeLessThan(0.6);
});

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const interval = fc.integer({ min: 60, max: 604_800 });

test("ok/delays stay within their bounds", () => {
  fc.assert(
    fc.property(chance, interval, fc.integer({ min: 1, max: 2_000 }), (share, seconds, failures) => {
      const random = () => share;
      expect(returnDelay(seconds, random)).toBeLessThanOrEqual(Math.min(300, seconds));
      expect(pollDelay(seconds, true, random)).toBeLessThanOrEqual(seconds);
      expect(Math.abs(pollDelay(seconds, false, random) / seconds - 1)).toBeLessThanOrEqual(0.05 + 1e-9);
      const retry = retryDelay(failures, seconds, random);
      expect(retry).toBeGreaterThanOrEqual(45);
      expect(retry).toBeLessThanOrEqual(1.25 * Math.min(3_600, seconds));
    }),
  );
});

test("ok/retries: a minute, then twice as long each time", () => {
  const middle = () => 0.5;
  expect([1, 2, 3, 4, 7, 50].map((failures) => retryDelay(failures, 86_400, middle))).toEqual([
    60, 120, 240, 480, 3_600, 3_600,
  ]);
  expect(retryDelay(9, 600, middle)).toBe(600);
});

test("ok/keys are renewed when they are between 90 % and 100 % of their time old", () => {
  const age = (share: number) => (renewalTime(1_000, 180, share) - 1_000) / 86_400;
  expect([age(0), age(0.5)]).toEqual([162, 171]);
  expect(age(0.999_999)).toBeCloseTo(180, 3);
});
