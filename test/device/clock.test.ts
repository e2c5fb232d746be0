import { expect, test } from "vitest";

import { Clock } from "../../device/trust/clock.ts";

const validity = { iat: 1_000, exp: 2_000 };
function tick() {
  let seconds = 50;
  return {
    monotonic: () => seconds,
    sleep: async () => {},
    random: () => 0,
    pass: (more: number) => void (seconds += more),
  };
}

test("ok/iat of the key set, then monotonic time", () => {
  const time = tick();
  const clock = new Clock(time, validity, 0);
  expect(clock.now()).toBe(1_000);
  time.pass(7.9);
  expect(clock.now()).toBe(1_007);
});

test("ok/a restart goes on from what was known, not beyond the key set", () => {
  expect(new Clock(tick(), validity, 1_500).now()).toBe(1_500);
  expect(new Clock(tick(), validity, 9_999).now()).toBe(2_000);
});

test("ok/replies correct it both ways, within the key set's validity only", () => {
  const clock = new Clock(tick(), validity, 1_500);
  clock.correct(1_800);
  expect(clock.now()).toBe(1_800);
  clock.correct(1_200);
  expect(clock.now()).toBe(1_200);
  clock.correct(5_000);
  expect(clock.now()).toBe(2_000);
  clock.correct(10);
  expect(clock.now()).toBe(1_000);
});

test("ok/a newer key set moves it only where the estimate does not fit", () => {
  const clock = new Clock(tick(), validity, 1_500);
  clock.accept({ iat: 1_400, exp: 2_400 });
  expect(clock.now()).toBe(1_500);
  clock.accept({ iat: 3_000, exp: 4_000 });
  expect(clock.now()).toBe(3_000);
});
