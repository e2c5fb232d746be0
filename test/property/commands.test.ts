import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";

import { World, makeKeys, step } from "./command-world.ts";

beforeAll(makeKeys);

test("ok/commands keep the service's rules under any schedule of operators, device and restores", async () => {
  const schedules = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
    const world = new World();
    await world.begin();
    for (const taken of steps) await world.take(taken);
  });
  await expect(fc.assert(schedules, { numRuns: 150 })).resolves.toBeUndefined();
});
