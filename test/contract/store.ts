import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { beforeAll, describe, expect, test } from "vitest";

import { cursorBehind } from "../../functions/store/cursor.ts";
import type { Item, ListRequest, Put, Store } from "../../functions/store/port.ts";

/**
 * What every store must do. Each test has keys of its own, so the tables may hold other things, and the suite may run against them again.
 * @param makeStore a store that knows all five tables
 */
export function storeContract(name: string, makeStore: () => Store | Promise<Store>): void {
  describe(`store: ${name}`, () => {
    let store: Store;
    beforeAll(async () => {
      store = await makeStore();
    });

    const absent = (table: Put["table"], item: Item): Put => ({ table, item, when: "absent" });
    const windowOf = (deviceId: string, more: Item = {}): Item => ({ deviceId, item: "window", revision: 0, ...more });
    const readWindow = async (deviceId: string) =>
      (await store.read([{ table: "devices", key: { deviceId, item: "window" } }]))[0];
    const put = (deviceId: string, revision: number, when: Put["when"]): Put => ({
      table: "devices",
      item: windowOf(deviceId, { revision }),
      when,
    });

    describe("read", () => {
      test("ok/nothing of nothing", async () => {
        expect(await store.read([])).toEqual([]);
      });

      test("ok/undefined for what is missing, alone and among others", async () => {
        const deviceId = randomUUID();
        const missing = { table: "devices", key: { deviceId, item: "identity" } } as const;
        expect(await store.read([missing])).toEqual([undefined]);
        await store.write([absent("devices", windowOf(deviceId))]);
        const present = { table: "devices", key: { deviceId, item: "window" } } as const;
        expect(await store.read([missing, present])).toEqual([undefined, windowOf(deviceId)]);
        expect(await store.read([missing, { table: "trust", key: { item: deviceId } }])).toEqual([
          undefined,
          undefined,
        ]);
      });

      test("ok/in the order of the keys, over several tables", async () => {
        const id = randomUUID();
        const items = [
          { table: "devices", item: windowOf(id) },
          { table: "credentials", item: { credentialId: id, revision: 1 } },
          { table: "devices", item: { deviceId: id, item: "identity", revision: 2 } },
          { table: "trust", item: { item: id, revision: 3 } },
          { table: "releases", item: { target: id, counter: 7, revision: 4 } },
          { table: "journal", item: { target: id, at: "1", revision: 5 } },
        ] as const;
        expect(await store.write(items.map(({ table, item }) => absent(table, item)))).toBe(true);
        const keys = items.map(({ table, item }) => ({ table, key: item }));
        expect(await store.read(keys)).toEqual(items.map(({ item }) => item));
        expect(await store.read(keys.toReversed())).toEqual(items.map(({ item }) => item).toReversed());
      });

      test("ok/what was written is seen at once", async () => {
        const deviceId = randomUUID();
        await store.write([absent("devices", windowOf(deviceId))]);
        for (let revision = 1; revision < 10; revision += 1) {
          expect(await store.write([put(deviceId, revision, { revision: revision - 1 })])).toBe(true);
          expect(await readWindow(deviceId)).toEqual(windowOf(deviceId, { revision }));
        }
      });

      test("ok/what is done to an item in hand does not change what is stored", async () => {
        const deviceId = randomUUID();
        const written = { ...windowOf(deviceId), results: { 1: { a: 1 } } };
        await store.write([absent("devices", written)]);
        written.results[1].a = 2;
        const read = await readWindow(deviceId);
        Object.assign(read ?? {}, { revision: 9 });
        expect(await readWindow(deviceId)).toEqual({ ...windowOf(deviceId), results: { 1: { a: 1 } } });
      });
    });

    describe("write", () => {
      test("ok/nothing is always written", async () => {
        expect(await store.write([])).toBe(true);
      });

      test("fails/absent, where something is", async () => {
        const deviceId = randomUUID();
        expect(await store.write([put(deviceId, 1, "absent")])).toBe(true);
        expect(await store.write([put(deviceId, 2, "absent")])).toBe(false);
        expect(await readWindow(deviceId)).toMatchObject({ revision: 1 });
      });

      test("ok/absent looks at the whole key", async () => {
        const deviceId = randomUUID();
        expect(await store.write([put(deviceId, 1, "absent")])).toBe(true);
        expect(await store.write([absent("devices", { deviceId, item: "identity" })])).toBe(true);
      });

      const conditions: [string, Item, { [attribute: string]: string | number }, boolean][] = [
        ["equal number", { revision: 3 }, { revision: 3 }, true],
        ["other number", { revision: 3 }, { revision: 2 }, false],
        ["equal text", { status: "issued" }, { status: "issued" }, true],
        ["other text", { status: "spent" }, { status: "issued" }, false],
        ["both", { revision: 3, status: "issued" }, { revision: 3, status: "issued" }, true],
        ["one of two", { revision: 3, status: "spent" }, { revision: 3, status: "issued" }, false],
        ["a number is no text", { revision: 3 }, { revision: "3" }, false],
        ["an attribute that is not there", {}, { generation: 1 }, false],
        [
          "names that DynamoDB reserves",
          { status: "a", name: "b", value: "c" },
          { status: "a", name: "b", value: "c" },
          true,
        ],
      ];
      test.each(conditions)("condition/%s", async (_, stored, when, holds) => {
        const item = randomUUID();
        await store.write([absent("trust", { item, ...stored })]);
        const replaced = { item, replaced: true };
        expect(await store.write([{ table: "trust", item: replaced, when }])).toBe(holds);
        expect(await store.read([{ table: "trust", key: { item } }])).toEqual([holds ? replaced : { item, ...stored }]);
      });

      test("fails/a condition on what is missing", async () => {
        const deviceId = randomUUID();
        expect(await store.write([put(deviceId, 1, { revision: 0 })])).toBe(false);
        expect(await readWindow(deviceId)).toBeUndefined();
      });

      test("ok/several puts, all of them", async () => {
        const id = randomUUID();
        expect(
          await store.write([
            put(id, 0, "absent"),
            absent("journal", { target: id, at: "1" }),
            absent("trust", { item: id }),
          ]),
        ).toBe(true);
        const found = await store.read([
          { table: "devices", key: { deviceId: id, item: "window" } },
          { table: "journal", key: { target: id, at: "1" } },
          { table: "trust", key: { item: id } },
        ]);
        expect(found.every((item) => item !== undefined)).toBe(true);
      });

      test.each([0, 1, 2])("fails/several puts, none if the condition of number %i does not hold", async (failing) => {
        const ids = Array.from({ length: 3 }, () => randomUUID());
        const puts = ids.map((id, at) => put(id, 0, at === failing ? { revision: 5 } : "absent"));
        expect(await store.write(puts)).toBe(false);
        expect(await Promise.all(ids.map(readWindow))).toEqual([undefined, undefined, undefined]);
      });
    });

    describe("races", () => {
      test("ok/of 50 puts where nothing is, one wins", async () => {
        const deviceId = randomUUID();
        const won = await Promise.all(Array.from({ length: 50 }, (_, n) => store.write([put(deviceId, n, "absent")])));
        expect(won.filter(Boolean)).toHaveLength(1);
        expect(await readWindow(deviceId)).toMatchObject({ revision: won.indexOf(true) });
      });

      test("ok/of 50 puts on one revision, one wins", async () => {
        const deviceId = randomUUID();
        await store.write([put(deviceId, 0, "absent")]);
        const won = await Promise.all(
          Array.from({ length: 50 }, (_, n) => store.write([put(deviceId, n + 1, { revision: 0 })])),
        );
        expect(won.filter(Boolean)).toHaveLength(1);
        expect(await readWindow(deviceId)).toMatchObject({ revision: won.indexOf(true) + 1 });
      });

      test("ok/of 50 writes of several puts no more than one wins, and its puts stay together", async () => {
        const id = randomUUID();
        await store.write([put(id, 0, "absent")]);
        const won = await Promise.all(
          Array.from({ length: 50 }, (_, n) =>
            store.write([put(id, n + 1, { revision: 0 }), absent("journal", { target: id, at: String(n) })]),
          ),
        );
        const winners = won.filter(Boolean).length;
        // They may hinder one another until none of them is through; a caller tries again.
        expect(winners).toBeLessThanOrEqual(1);
        expect(await readWindow(id)).toMatchObject({ revision: won.indexOf(true) + 1 });
        const keys = won.map((_, n) => ({ table: "journal", key: { target: id, at: String(n) } }) as const);
        const written = await store.read(keys);
        expect(written.map((item) => item !== undefined)).toEqual(won);
      });

      test("ok/20 who read and write until they win lose no update, alone and together", async () => {
        const id = randomUUID();
        await store.write([put(id, 0, "absent")]);
        const increment = async (n: number) => {
          for (let attempt = 0; attempt < 500; attempt += 1) {
            const revision = Number((await readWindow(id))?.["revision"]);
            const more = n % 2 === 0 ? [absent("journal", { target: id, at: String(n) })] : [];
            if (await store.write([put(id, revision + 1, { revision }), ...more])) return;
            await sleep(Math.random() * 20);
          }
          throw new Error("never won");
        };
        await Promise.all(Array.from({ length: 20 }, (_, n) => increment(n)));
        expect(await readWindow(id)).toMatchObject({ revision: 20 });
      });
    });

    describe("values", () => {
      const values: [string, unknown][] = [
        ["text of any script", "Zähler № 7 – 測定 😀"],
        ["empty text", ""],
        ["zero", 0],
        ["the largest safe integer", Number.MAX_SAFE_INTEGER],
        ["a negative number", -7],
        ["a fraction", 0.5],
        ["true", true],
        ["null", null],
        ["a nested map", { a: { b: [1, "2", { c: [] }] }, "128": {} }],
        ["an empty map", {}],
        ["an empty list", []],
      ];
      test.each(values)("ok/%s", async (_, value) => {
        const item = randomUUID();
        await store.write([absent("trust", { item, value })]);
        expect(await store.read([{ table: "trust", key: { item } }])).toEqual([{ item, value }]);
      });

      test.each([0, 1, 768, 10_000])("ok/%i bytes", async (length) => {
        const deviceId = randomUUID();
        const outcomes = crypto.getRandomValues(new Uint8Array(length));
        await store.write([absent("devices", windowOf(deviceId, { outcomes }))]);
        const read = (await readWindow(deviceId))?.["outcomes"];
        expect(read).toBeInstanceOf(Uint8Array);
        expect(read instanceof Uint8Array ? [...read] : []).toEqual([...outcomes]);
      });

      test("ok/an attribute without value is none", async () => {
        const item = randomUUID();
        await store.write([absent("trust", { item, standby: undefined })]);
        expect(await store.read([{ table: "trust", key: { item } }])).toEqual([{ item }]);
      });

      test("ok/a put replaces the item whole", async () => {
        const item = randomUUID();
        await store.write([absent("trust", { item, revision: 0, expires: 9 })]);
        await store.write([{ table: "trust", item: { item, revision: 1 }, when: { revision: 0 } }]);
        const [read] = await store.read([{ table: "trust", key: { item } }]);
        expect(Object.keys(read ?? {}).toSorted()).toEqual(["item", "revision"]);
      });
    });

    describe("list", () => {
      /** Indexes, and the tables' own lists, may lag behind. */
      const eventually = async (request: ListRequest, expected: readonly Item[]) => {
        let last: readonly Item[] = [];
        for (let attempt = 0; attempt < 50; attempt += 1) {
          last = await all(request);
          if (last.length >= expected.length) break;
          await sleep(100);
        }
        return last;
      };
      const all = async (request: ListRequest): Promise<Item[]> => {
        const items: Item[] = [];
        let cursor: string | undefined;
        for (let page = 0; page < 100; page += 1) {
          const found = await store.list({ ...request, ...(cursor === undefined ? {} : { cursor }) });
          expect(found.items.length).toBeLessThanOrEqual(request.limit);
          items.push(...found.items);
          cursor = found.cursor;
          if (cursor === undefined) return items;
        }
        throw new Error("the cursor never ends");
      };
      const journal = (target: string, at: string, day = randomUUID()): Item => ({ target, at, day, action: "x" });

      test("ok/nothing of a partition that is not there", async () => {
        expect(await store.list({ table: "journal", partition: ["target", randomUUID()], limit: 10 })).toEqual({
          items: [],
        });
      });

      test.each([1, 2, 3, 7, 100])("ok/pages of %i hold everything once, in order, both ways", async (limit) => {
        const target = randomUUID();
        const items = Array.from({ length: 7 }, (_, n) => journal(target, `2027-01-0${n + 1}T00:00:00.000Z#${7 - n}`));
        await store.write(items.toReversed().map((item) => absent("journal", item)));
        await store.write([absent("journal", journal(`${target}-other`, "1"))]);
        const request = { table: "journal", partition: ["target", target], limit } as const;
        expect(await eventually(request, items)).toEqual(items);
        expect(await eventually({ ...request, descending: true }, items.toReversed())).toEqual(items.toReversed());
      });

      test("ok/what begins so, over pages", async () => {
        const target = randomUUID();
        const items = ["a1", "b1", "b2", "b3", "c1"].map((at) => journal(target, at));
        await store.write(items.map((item) => absent("journal", item)));
        const request = { table: "journal", partition: ["target", target], beginsWith: "b", limit: 2 } as const;
        expect(await eventually(request, items.slice(1, 4))).toEqual(items.slice(1, 4));
      });

      test.each(["{", "[]", "[1]", '[""]', '["a","b"]', '{"target":"a","at":"b"}'])(
        "fails/the cursor %s, which no list gave",
        async (cursor) => {
          const asked = store.list({ table: "journal", partition: ["target", randomUUID()], limit: 1, cursor });
          await expect(asked).rejects.toThrow("the cursor is of another list");
        },
      );

      test("ok/numbers are ordered as numbers", async () => {
        const target = randomUUID();
        const items = [0, 2, 10, 9_000, 100_000].map((counter) => ({ target, counter, at: String(counter) }));
        await store.write(items.toReversed().map((item) => absent("releases", item)));
        expect(await eventually({ table: "releases", partition: ["target", target], limit: 2 }, items)).toEqual(items);
        expect(
          await eventually(
            { table: "releases", partition: ["target", target], limit: 2, descending: true },
            items.toReversed(),
          ),
        ).toEqual(items.toReversed());
      });

      test("ok/behind a place, both ways, whether or not an item is there", async () => {
        const day = randomUUID();
        const at = (n: number) => `2027-01-01T00:00:0${n}.000Z#a`;
        const items = [1, 3, 5].map((n) => journal(randomUUID(), at(n), day));
        await store.write(items.map((item) => absent("journal", item)));
        const request = { table: "journal", index: "byDay", partition: ["day", day], limit: 10 } as const;
        await eventually(request, items);
        const [, middle] = items;
        const behind = cursorBehind(request, middle ?? {});
        expect((await store.list({ ...request, cursor: behind })).items).toEqual(items.slice(2));
        expect((await store.list({ ...request, cursor: behind, descending: true })).items).toEqual(items.slice(0, 1));
        const between = cursorBehind(request, { at: at(4), target: randomUUID() });
        expect((await store.list({ ...request, cursor: between })).items).toEqual(items.slice(2));
        expect((await store.list({ ...request, cursor: between, descending: true })).items).toEqual(
          items.slice(0, 2).toReversed(),
        );
      });

      const lists = [
        ["credentials", (id: string, shard: string): Item => ({ credentialId: id, shard })],
        ["devices", (id: string, shard: string): Item => ({ deviceId: id, item: "identity", shard })],
        [
          "releases",
          (id: string, shard: string): Item => ({
            target: shard,
            counter: Number.parseInt(id.slice(0, 8), 16),
            at: id,
            shard,
          }),
        ],
      ] as const;
      test.each(lists)("ok/index list of %s", async (table, make) => {
        const shard = randomUUID();
        const ids = Array.from({ length: 5 }, () => randomUUID()).toSorted();
        await store.write(ids.map((id) => absent(table, make(id, shard))));
        const expected = ids.map((id) => make(id, shard));
        expect(await eventually({ table, index: "list", partition: ["shard", shard], limit: 2 }, expected)).toEqual(
          expected,
        );
        expect(
          await eventually(
            { table, index: "list", partition: ["shard", shard], limit: 2, descending: true },
            expected.toReversed(),
          ),
        ).toEqual(expected.toReversed());
      });

      test("ok/an item without the index's attribute is not in the index", async () => {
        const deviceId = randomUUID();
        const shard = randomUUID();
        const identity = { deviceId, item: "identity", shard };
        await store.write([absent("devices", identity), absent("devices", windowOf(deviceId))]);
        expect(
          await eventually({ table: "devices", index: "list", partition: ["shard", shard], limit: 10 }, [identity]),
        ).toEqual([identity]);
      });

      test("ok/index byDay of the journal, over all targets", async () => {
        const day = randomUUID();
        const items = Array.from({ length: 5 }, (_, n) =>
          journal(randomUUID(), `2027-01-0${n + 1}T00:00:00.000Z#a`, day),
        );
        await store.write(items.toReversed().map((item) => absent("journal", item)));
        expect(
          await eventually({ table: "journal", index: "byDay", partition: ["day", day], limit: 2 }, items),
        ).toEqual(items);
        expect(
          await eventually(
            { table: "journal", index: "byDay", partition: ["day", day], limit: 2, descending: true },
            items.toReversed(),
          ),
        ).toEqual(items.toReversed());
      });
    });
  });
}
