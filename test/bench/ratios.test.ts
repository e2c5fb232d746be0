import { expect, test } from "vitest";

import { type Accepted, compareRatios } from "../../bench/ratios.ts";
import { toRow } from "../../bench/row.ts";

const known: Accepted[] = [
  { group: "g", name: "slow", peerName: "peer", ratio: 2, aim: "most", bound: 1 },
  { group: "g", name: "fast", peerName: "peer", ratio: 0.8, aim: "least", bound: 0.7 },
  { group: "other", name: "elsewhere", peerName: "peer", ratio: 1, aim: "most", bound: 1 },
];
const most = (name: string, ours: number) =>
  toRow({ group: "g", name, unit: "µs", ours, peer: ["peer", 1], aim: { of: "ratio", most: 1 } });
const least = (ours: number) =>
  toRow({ group: "g", name: "fast", unit: "MiB/s", ours, peer: ["peer", 1], aim: { of: "ratio", least: 0.7 } });

test("ok/missed aims that are as they were, better, or worse by less than a quarter", () => {
  expect(compareRatios([most("slow", 2.4), least(0.65)], known)).toEqual([]);
  expect(compareRatios([most("slow", 1), least(3)], known)).toEqual([]);
});

test("fails/worse by more than a quarter, whichever way is worse", () => {
  expect(compareRatios([most("slow", 2.6), least(0.63)], known)).toEqual([
    "slow: 2.6, accepted was 2",
    "fast: 0.63, accepted was 0.8",
  ]);
});

test("fails/a row that nobody accepted, and an accepted one that its group has no more", () => {
  expect(compareRatios([most("slow", 2), most("new", 1)], known)).toEqual([
    "new: 1, and nothing was accepted yet",
    "fast: accepted, and not measured any more",
  ]);
});
