import { expect, test } from "vitest";

import { releases } from "../../functions/releases/releases.ts";
import type { Item, Key } from "../../functions/store/port.ts";

/** What a warm function reads of what a target is offered. */

const offers = (counter: number): Item => ({
  target: "a#1",
  counter: 0,
  revision: counter,
  highest: counter,
  offers: [{ counter, exp: 2_000 }],
});

function world() {
  const read: string[] = [];
  const state = { stored: offers(1) as Item | undefined, fails: false, before: undefined as Promise<void> | undefined };
  const store = {
    async read(keys: readonly Key[]) {
      read.push(...keys.map(({ key }) => String(key["target"])));
      const { stored } = state;
      await state.before;
      if (state.fails) throw new Error("unavailable");
      return keys.map(() => stored);
    },
  };
  const known = releases(store, async () => new Uint8Array());
  return { read, state, highest: async (target = "a#1") => (await known.offers(target))?.highest };
}

test("ok/checks of one moment share a call and what it reads of their target", async () => {
  const { read, highest } = world();
  expect(await Promise.all([highest(), highest(), highest("b#1")])).toEqual([1, 1, 1]);
  expect(read).toEqual(["a#1", "b#1"]);
});

test("ok/a check that comes while another reads is told of what was published before it", async () => {
  const { state, highest } = world();
  let answer = () => {};
  state.before = new Promise((resolve) => (answer = resolve));
  const first = highest();
  await new Promise(setImmediate);
  state.before = undefined;
  state.stored = offers(2);
  expect(await highest()).toBe(2);
  answer();
  expect(await first).toBe(1);
});

test("ok/what is published or withdrawn is seen at once", async () => {
  const { state, highest } = world();
  expect(await highest()).toBe(1);
  state.stored = offers(2);
  expect(await highest()).toBe(2);
  state.stored = undefined;
  expect(await highest()).toBeUndefined();
});

test("fails/a read that failed is made again", async () => {
  const { state, highest } = world();
  state.fails = true;
  await expect(Promise.all([highest(), highest()])).rejects.toThrow("unavailable");
  state.fails = false;
  expect(await highest()).toBe(1);
});
