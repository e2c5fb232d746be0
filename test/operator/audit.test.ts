import { randomUUID } from "node:crypto";

import { signTrust } from "@sealpost/protocol/documents/trust.ts";
import { beforeEach, expect, test, vi } from "vitest";

import { journalPut } from "../../functions/registry/journal.ts";
import { present, startOperator, trustFixture } from "./operator.ts";

let operator: ReturnType<typeof startOperator>;
const a = "device#00000000-0000-4000-8000-00000000000a";
const b = "device#00000000-0000-4000-8000-00000000000b";
const day = new Date(present * 1000).toISOString().slice(0, 10);

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  operator = startOperator();
  const write = (target: string, time: number, unique: string) =>
    operator.store.write([
      journalPut(
        {
          target,
          action: "credential.revoked",
          actor: "arn:aws:iam::1:user/o",
          time,
          detail: { serialNumber: unique },
        },
        unique,
      ),
    ]);
  await write(a, present, "1");
  await write(b, present + 1, "2");
  await write(a, present + 2, "3");
  await write(a, present + 86_400, "4");
});

const listed = async (query: Record<string, string>) => {
  const { body } = await operator.get("/operator/audit", query);
  const { entries, cursor } = body as { entries: { detail: { serialNumber: string } }[]; cursor?: string };
  return { uniques: entries.map(({ detail }) => detail.serialNumber).join(""), cursor };
};

test("ok/of one target, newest first", async () => {
  expect((await listed({ target: a })).uniques).toBe("431");
});

test("ok/of one day, newest first", async () => {
  expect((await listed({ day })).uniques).toBe("321");
});

test("ok/a cursor goes on where a page ended", async () => {
  const first = await listed({ day, limit: "2" });
  expect(first.uniques).toBe("32");
  expect((await listed({ day, limit: "2", cursor: first.cursor ?? "" })).uniques).toBe("1");
});

test.each([1, 3, 7, 100])("ok/a day of many targets in pages of %i: everything once, newest first", async (limit) => {
  const times = Array.from({ length: 40 }, (_, n) => present + 86_400 * 3 + n);
  for (const time of times) {
    const entry = { actor: "arn:aws:iam::1:user/o", time, detail: { serialNumber: `(${time})` } } as const;
    const target = `credential#${randomUUID()}`;
    await operator.store.write([journalPut({ ...entry, target, action: "credential.revoked" }, randomUUID())]);
  }
  const later = new Date((present + 86_400 * 3) * 1000).toISOString().slice(0, 10);
  let found = "";
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const page: Awaited<ReturnType<typeof listed>> = await listed({
      day: later,
      limit: String(limit),
      ...(cursor === "" ? {} : { cursor }),
    });
    found += page.uniques;
    cursor = page.cursor;
  }
  expect(found).toBe(
    times
      .toReversed()
      .map((time) => `(${time})`)
      .join(""),
  );
});

test("fails/a cursor that no list returned", async () => {
  const cursor = Buffer.from(JSON.stringify([0, "elsewhere"])).toString("base64url");
  expect(await operator.get("/operator/audit", { day, cursor })).toMatchObject({ status: 400 });
});

test("ok/an entry says who, what, when and to what", async () => {
  const { body } = await operator.get("/operator/audit", { target: b });
  const at = `${new Date((present + 1) * 1000).toISOString()}#2`;
  expect(body["entries"]).toEqual([
    {
      target: b,
      at,
      time: present + 1,
      action: "credential.revoked",
      actor: "arn:aws:iam::1:user/o",
      detail: { serialNumber: "2" },
    },
  ]);
});

test.each([
  ["fails/cut", (cursor: string) => cursor.slice(0, -2)],
  ["fails/with another table's key", () => Buffer.from('[0,"[1]"]').toString("base64url")],
  ["fails/with a key that is not JSON", () => Buffer.from('[0,"{"]').toString("base64url")],
  ["fails/with an empty key", () => Buffer.from('[0,"[\\"\\"]"]').toString("base64url")],
])("ok/a cursor %s is the caller's mistake", async (_, change) => {
  const { cursor = "" } = await listed({ target: a, limit: "1" });
  expect(await operator.get("/operator/audit", { target: a, cursor: change(cursor) })).toMatchObject({
    status: 400,
    body: { code: "invalid-request", field: "cursor" },
  });
});

test.each<Record<string, string>>([
  {},
  { target: "trust", day },
  { target: "device#a" },
  { target: "release#meter-1" },
  { day: "2027-02-30" },
  { day: "yesterday" },
])("fails/%o", async (query) => {
  expect(await operator.get("/operator/audit", query)).toMatchObject({
    status: 400,
    body: { code: "invalid-request" },
  });
});

test("ok/what operators did within one second is in its order", async () => {
  const { claims, root } = await trustFixture();
  operator.setTime(present + 0.25);
  await operator.post("/operator/trust", { document: await signTrust(claims, [root]) });
  for (const [version, fraction] of [
    [2, 0.5],
    [3, 0.501],
    [4, 0.9],
  ] as const) {
    operator.setTime(present + fraction);
    await operator.post("/operator/trust", { document: await signTrust({ ...claims, version }, [root]) });
  }
  const { entries } = (await operator.get("/operator/audit", { target: "trust" })).body as {
    entries: { time: number; detail: { version: number } }[];
  };
  expect(entries.map(({ detail }) => detail.version)).toEqual([4, 3, 2, 1]);
  expect(new Set(entries.map(({ time }) => time))).toEqual(new Set([present]));
});
