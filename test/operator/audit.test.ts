import { beforeEach, expect, test, vi } from "vitest";

import { journalPut } from "../../functions/store/journal.ts";
import { present, startOperator } from "./operator.ts";

let operator: ReturnType<typeof startOperator>;
const day = new Date(present * 1000).toISOString().slice(0, 10);

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  operator = startOperator();
  const write = (target: string, time: number, unique: string) =>
    operator.store.write([
      journalPut(
        { target, action: "device.revoked", actor: "arn:aws:iam::1:user/o", time, detail: { unique } },
        unique,
      ),
    ]);
  await write("device#a", present, "1");
  await write("device#b", present + 1, "2");
  await write("device#a", present + 2, "3");
  await write("device#a", present + 86_400, "4");
});

const listed = async (query: Record<string, string>) => {
  const { body } = await operator.get("/operator/audit", query);
  const { entries, cursor } = body as { entries: { detail: { unique: string } }[]; cursor?: string };
  return { uniques: entries.map(({ detail }) => detail.unique).join(""), cursor };
};

test("of one target, newest first", async () => {
  expect((await listed({ target: "device#a" })).uniques).toBe("431");
});

test("of one day, newest first", async () => {
  expect((await listed({ day })).uniques).toBe("321");
});

test("a cursor goes on where a page ended", async () => {
  const first = await listed({ day, limit: "2" });
  expect(first.uniques).toBe("32");
  expect((await listed({ day, limit: "2", cursor: first.cursor ?? "" })).uniques).toBe("1");
});

test("an entry says who, what, when and to what", async () => {
  const { body } = await operator.get("/operator/audit", { target: "device#b" });
  const at = `${new Date((present + 1) * 1000).toISOString()}#2`;
  expect(body["entries"]).toEqual([
    {
      target: "device#b",
      at,
      time: present + 1,
      action: "device.revoked",
      actor: "arn:aws:iam::1:user/o",
      detail: { unique: "2" },
    },
  ]);
});

test.each<Record<string, string>>([{}, { target: "trust", day }, { day: "2027-02-30" }, { day: "yesterday" }])(
  "fails/%o",
  async (query) => {
    expect(await operator.get("/operator/audit", query)).toMatchObject({
      status: 400,
      body: { code: "invalid-request" },
    });
  },
);
