import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Item, Put } from "../../functions/store/port.ts";

const names = ["a", "b", "c"] as const;
const puts = fc.record({
  deviceId: fc.constantFrom(...names),
  item: fc.constantFrom("identity", "window"),
  revision: fc.nat({ max: 3 }),
  when: fc.oneof(fc.constant("absent" as const), fc.record({ revision: fc.nat({ max: 3 }) })),
});
const writes = fc.array(
  fc.uniqueArray(puts, { maxLength: 4, selector: ({ deviceId, item }) => `${deviceId}${item}` }),
  { maxLength: 40 },
);

describe("memory store", () => {
  test("ok/each write is all or nothing, by its conditions", async () => {
    await fc.assert(
      fc.asyncProperty(writes, async (sequence) => {
        const store = memoryStore();
        const reference = new Map<string, Item>();
        for (const write of sequence) {
          const holds = write.every(({ deviceId, item, when }) => {
            const present = reference.get(`${deviceId}/${item}`);
            return when === "absent" ? !present : present?.["revision"] === when.revision;
          });
          const items = write.map(({ when: _, ...item }) => item);
          expect(await store.write(write.map(({ when, ...item }): Put => ({ table: "devices", item, when })))).toBe(
            holds,
          );
          if (holds) for (const item of items) reference.set(`${item.deviceId}/${item.item}`, item);
          const keys = names.flatMap((deviceId) => ["window", "identity"].map((item) => ({ deviceId, item })));
          expect(await store.read(keys.map((key) => ({ table: "devices", key })))).toEqual(
            keys.map(({ deviceId, item }) => reference.get(`${deviceId}/${item}`)),
          );
        }
        for (const deviceId of names) {
          const { items } = await store.list({ table: "devices", partition: ["deviceId", deviceId], limit: 10 });
          expect(items).toEqual(["identity", "window"].flatMap((item) => reference.get(`${deviceId}/${item}`) ?? []));
        }
      }),
    );
  });
});
