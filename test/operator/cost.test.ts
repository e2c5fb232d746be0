import { expect, test } from "vitest";

import { type Custody, estimate } from "../../operator/cost/estimate.ts";

const traffic = { devices: 1_000_000, messagesPerDay: 24, custody: "kms", batch: 1, events: false } as const;

test.each<[Custody, number, number]>([
  ["kms", 1, 22.14],
  ["signing-epoch", 1, 6.81],
  ["epoch", 1, 3.5],
  ["epoch", 50, 1.44],
])("ok/a million messages, custody %s, batches of %i, cost $%d", (custody, batch, dollars) => {
  expect(estimate({ ...traffic, custody, batch }).dollarsPerMillionMessages).toBeCloseTo(dollars, 2);
});

test("ok/KMS's signatures are the first to end, until they are of epochs", () => {
  expect(estimate(traffic).firstQuota).toEqual({ name: "KMS signatures (ECC)", devices: 1_800_000 });
  expect(estimate({ ...traffic, custody: "epoch" }).firstQuota.devices).toBeGreaterThan(10_000_000);
});

test("ok/services add up, with the keys of a stack that does nothing", () => {
  const { services, dollarsPerMonth } = estimate({ ...traffic, devices: 0 });
  expect(services["KMS"]).toBe(10);
  expect(dollarsPerMonth).toBe(10);
});
