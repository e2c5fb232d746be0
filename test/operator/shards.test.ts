import fc from "fast-check";
import { expect, test } from "vitest";

import { listPartitions, listShards } from "../../functions/operator/shards.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";

async function storeOf(ids: readonly string[]) {
  const store = memoryStore();
  await store.write(
    ids.map((credentialId) => ({
      table: "credentials",
      item: { credentialId, shard: credentialId.slice(0, 1) },
      when: "absent",
    })),
  );
  return store;
}

async function pagesOf(ids: readonly string[], limit: number) {
  const store = await storeOf(ids);
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await listShards(store, "credentials", { limit, cursor });
    if ("problem" in page) throw new Error("no page");
    pages.push(page.value.items.map(({ credentialId }) => String(credentialId)));
    cursor = page.value.cursor;
  } while (cursor !== undefined);
  return pages;
}

test("ok/pages of any size make up the whole list, in order, each thing once", async () => {
  const ids = fc.uniqueArray(fc.uuid(), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(ids, fc.integer({ min: 1, max: 70 }), async (all, limit) => {
      const pages = await pagesOf(all, limit);
      expect(pages.flat()).toEqual(all.toSorted());
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("ok/ids that begin so, and no others", async () => {
  const ids = ["abcd1111-0000-4000-8000-000000000000", "abcd2222-0000-4000-8000-000000000000"];
  const store = await storeOf([...ids, "abce1111-0000-4000-8000-000000000000", "1bcd1111-0000-4000-8000-000000000000"]);
  const found = async (id: string) => {
    const page = await listShards(store, "credentials", { limit: 10, id });
    return "value" in page ? page.value.items.map(({ credentialId }) => credentialId) : [];
  };
  expect(await found("abcd")).toEqual(ids);
  expect(await found("abcd2222-0")).toEqual(ids.slice(1));
  expect(await found("ffff")).toEqual([]);
});

test.each(["zzz", "!", "WzE2XQ", "e30", "", "WzAsMV0"])(
  "fails/the cursor %o, which no list returned",
  async (cursor) => {
    const page = await listShards(memoryStore(), "credentials", { limit: 10, cursor });
    expect(page).toMatchObject({ problem: { code: "invalid-request", field: "cursor" } });
  },
);

test("fails/a cursor past a shorter list of partitions ends it", async () => {
  const fifth = Buffer.from("[5]").toString("base64url");
  const partition = { table: "journal", partition: ["target", "trust"] } as const;
  expect(await listPartitions(memoryStore(), [partition], { limit: 10, cursor: fifth })).toEqual({
    value: { items: [] },
  });
});
