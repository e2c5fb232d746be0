import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { fileReadingSpool } from "../../device/adapters/file-reading-spool.ts";
import { memoryReadingSpool } from "../../device/adapters/memory-reading-spool.ts";
import type { ReadingSpool, SpoolInput } from "../../device/ports.ts";
import { onDyingDisk } from "./support/dying-disk.ts";
import { smallFileSystem } from "./support/file-systems.ts";

const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "sealpost-")), "readings");
});
afterEach(async () => rm(join(folder, ".."), { recursive: true, force: true }));

const entry = (content: string, stream = "load", records = 1): SpoolInput => ({ stream, records, content });
const block = 4_096;

async function contents(spool: ReadingSpool): Promise<(string | null)[]> {
  return [...(await spool.take((await spool.list()).map(({ id }) => id)))];
}

for (const [name, open] of Object.entries({
  memory: (mostBytes?: number) => memoryReadingSpool(mostBytes === undefined ? {} : { mostBytes }),
  file: (mostBytes?: number) => fileReadingSpool(folder, mostBytes === undefined ? {} : { mostBytes }),
})) {
  /** Content that counts as one block in files, too. */
  const big = (mark: string) => entry(mark.padEnd(block, "."));

  describe(`reading spool: ${name}`, () => {
    test("ok/nothing, then what was appended, oldest first", async () => {
      const spool = open();
      expect(await spool.list()).toEqual([]);
      expect(await spool.status()).toEqual({ records: 0, bytes: 0, dropped: 0 });
      await spool.append([entry("[1]"), entry("[2,3]", "water.cold", 2)], "refuse");
      await Promise.all([spool.append([entry("[4]")], "refuse"), spool.append([entry("[5]")], "refuse")]);
      expect(await spool.list()).toMatchObject([
        { stream: "load", records: 1, bytes: 3 },
        { stream: "water.cold", records: 2, bytes: 5 },
        { stream: "load", records: 1 },
        { stream: "load", records: 1 },
      ]);
      expect(await contents(spool)).toEqual(["[1]", "[2,3]", "[4]", "[5]"]);
      expect(await spool.status()).toEqual({ records: 5, bytes: 14, dropped: 0 });
    });

    test("ok/what was taken stays until it is removed, twice if need be", async () => {
      const spool = open();
      await spool.append([entry("a"), entry("b"), entry("c")], "refuse");
      const [first, second] = await spool.list();
      expect(await spool.take([second!.id, first!.id])).toEqual(["b", "a"]);
      expect(await spool.list()).toHaveLength(3);
      expect(await spool.take([first!.id])).toEqual(["a"]);
      await spool.remove([first!.id, second!.id]);
      await spool.remove([first!.id]);
      expect(await contents(spool)).toEqual(["c"]);
      expect(await spool.take([first!.id])).toEqual([null]);
      expect(await spool.status()).toMatchObject({ dropped: 0 });
    });

    test("ok/full: the oldest make room, and are counted", async () => {
      const spool = open(3 * block);
      await spool.append([big("1"), big("2"), big("3")], "refuse");
      expect(await spool.append([big("4"), big("5")], "drop-oldest")).toEqual({ dropped: 2 });
      expect((await contents(spool)).map((content) => content?.[0])).toEqual(["3", "4", "5"]);
      expect(await spool.status()).toMatchObject({ records: 3, dropped: 2 });
    });

    test("ok/what is about to be sent is not dropped", async () => {
      const spool = open(3 * block);
      await spool.append([big("1"), big("2"), big("3")], "refuse");
      const [first] = await spool.list();
      await spool.take([first!.id]);
      expect(await spool.append([big("4")], "drop-oldest")).toEqual({ dropped: 1 });
      expect((await contents(spool)).map((content) => content?.[0])).toEqual(["1", "3", "4"]);
    });

    test("fails/full: refused, and nothing of it appended", async () => {
      const spool = open(3 * block);
      await spool.append([big("1"), big("2")], "refuse");
      await expect(spool.append([big("3"), big("4")], "refuse")).rejects.toMatchObject({ code: "spool-full" });
      expect(await spool.status()).toMatchObject({ records: 2, dropped: 0 });
      await spool.append([big("5")], "refuse");
    });

    test("fails/what would never fit drops nothing", async () => {
      const spool = open(2 * block);
      await spool.append([big("1")], "refuse");
      await expect(spool.append([big("2"), big("3"), big("4")], "drop-oldest")).rejects.toMatchObject({
        code: "spool-full",
      });
      expect(await spool.status()).toMatchObject({ records: 1, dropped: 0 });
    });

    test("ok/what nobody can read is dropped, and counted", async () => {
      const spool = open();
      await spool.append([entry("?", "load", 7), entry("b")], "refuse");
      const [first] = await spool.list();
      await spool.take([first!.id]);
      await spool.discard([first!.id]);
      await spool.discard([first!.id]);
      expect(await contents(spool)).toEqual(["b"]);
      expect(await spool.status()).toMatchObject({ records: 1, dropped: 7 });
    });
  });
}

describe("files of the spool", () => {
  test("ok/readable by the owner alone; strangers' files are passed over", async () => {
    const spool = fileReadingSpool(folder);
    await spool.append([entry("[1]")], "refuse");
    await writeFile(join(folder, "notes.txt"), "");
    await mkdir(join(folder, "000000000009-aaaaaaaaaaaa-1-1-Load.readings"));
    const [name = ""] = await readdir(folder);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await spool.list()).toHaveLength(1);
  });

  test("ok/a process that appends after another emptied the spool goes on behind its own", async () => {
    const [a, b] = [fileReadingSpool(folder), fileReadingSpool(folder)];
    await a.append([entry("a1"), entry("a2")], "refuse");
    await b.remove((await b.list()).map(({ id }) => id));
    await b.append([entry("b1")], "refuse");
    await a.append([entry("a3")], "refuse");
    await b.append([entry("b2")], "refuse");
    expect(await contents(fileReadingSpool(folder))).toEqual(["b1", "a3", "b2"]);
  });

  test("ok/many drops leave no more than some names behind, and an exact count", async () => {
    const spool = fileReadingSpool(folder, { mostBytes: 2 * block });
    for (let at = 0; at < 80; at += 1) await spool.append([entry(String(at), "load", 2)], "drop-oldest");
    expect(await spool.status()).toMatchObject({ records: 4, dropped: 156 });
    expect((await readdir(folder)).length).toBeLessThan(2 + 16 + 2);
    expect(await fileReadingSpool(folder).status()).toMatchObject({ records: 4, dropped: 156 });
  });

  test("ok/a count that is damaged begins anew and stops nobody", async () => {
    await mkdir(folder, { mode: 0o700 });
    await writeFile(join(folder, "dropped.json"), "{");
    const spool = fileReadingSpool(folder, { mostBytes: block });
    await spool.append([entry("a")], "drop-oldest");
    await spool.append([entry("b")], "drop-oldest");
    expect(await spool.status()).toMatchObject({ dropped: 1 });
  });

  test("ok/what a process that is gone was writing is cleared away, what is young is not", async () => {
    const spool = fileReadingSpool(folder);
    await spool.append([entry("a")], "refuse");
    const [old, young] = ["x.readings.aa.tmp", "y.readings.bb.tmp"].map((name) => join(folder, name));
    await writeFile(old!, "");
    await writeFile(young!, "");
    await utimes(old!, 1_000, 1_000);
    await contents(spool);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual(["y.readings.bb.tmp"]);
  });

  test("ok/several processes at once: nothing lost, in the order of each", async () => {
    const script = fileURLToPath(new URL("./support/append-readings.ts", import.meta.url));
    await Promise.all(["a", "b", "c"].map((name) => run(process.execPath, [script, folder, name, "25"])));
    const found = await contents(fileReadingSpool(folder));
    expect(found).toHaveLength(75);
    for (const name of ["a", "b", "c"]) {
      const mine = found.filter((content) => content?.startsWith(name));
      expect(mine).toEqual(Array.from({ length: 25 }, (_, at) => `${name} ${at}`));
    }
  });

  test("ok/several processes that drop at once: every record is there, or counted once", async () => {
    const script = fileURLToPath(new URL("./support/append-readings.ts", import.meta.url));
    const words = ["90", String(8 * block)];
    const said = await Promise.all(["a", "b"].map((name) => run(process.execPath, [script, folder, name, ...words])));
    const dropped = said.reduce((sum, { stdout }) => sum + Number(stdout), 0);
    const status = await fileReadingSpool(folder).status();
    expect(status.dropped).toBe(dropped);
    expect(status.records + status.dropped).toBe(180);
    expect(status.records).toBeLessThanOrEqual(9);
  });

  test("ok/a full disk: the oldest make room there, too", async ({ skip, onTestFinished }) => {
    const mounted = smallFileSystem(256 << 10);
    if (!mounted) return skip("this machine does not let a test mount one");
    onTestFinished(() => mounted.unmount());
    const spool = fileReadingSpool(join(mounted.path, "readings"));
    for (let at = 0; at < 12; at += 1) await spool.append([entry(`${at}`.padEnd(12_000, "."))], "drop-oldest");
    await writeFile(join(mounted.path, "filler"), new Uint8Array(1 << 20)).catch(() => {});
    await expect(spool.append([entry("x".repeat(12_000))], "refuse")).rejects.toMatchObject({ code: "no-space" });
    const { dropped } = await spool.append([entry("last".padEnd(12_000, "."))], "drop-oldest");
    expect(dropped).toBeGreaterThan(0);
    const status = await spool.status();
    expect(status.records + status.dropped).toBe(13);
    expect((await contents(spool)).at(-1)).toMatch(/^last/);
  });
});

describe("a power cut at any call to the disk", () => {
  /** From a folder with some entries, cuts at each call in turn, and then looks at what a new process finds. */
  async function atEveryDiskCall(
    work: (spool: ReadingSpool) => Promise<unknown>,
    check: (spool: ReadingSpool, where: string) => Promise<void>,
    mostBytes = 4 * block,
  ): Promise<number> {
    let points = 0;
    for (const strike of ["before", "after"] as const) {
      for (let at = 1; ; at += 1) {
        await rm(folder, { recursive: true, force: true });
        const options = { mostBytes };
        await fileReadingSpool(folder, options).append([entry("1"), entry("2"), entry("3")], "refuse");
        const spool = fileReadingSpool(folder, options);
        const calls = await onDyingDisk(at, strike, () => work(spool));
        if (calls < at) break;
        points += 1;
        await check(fileReadingSpool(folder, options), `power cut ${strike} call ${at}`);
      }
    }
    return points;
  }

  test("ok/append: the first so many of the new ones, whole; nothing of the old ones lost", async () => {
    const points = await atEveryDiskCall(
      (spool) => spool.append([entry("4"), entry("5")], "refuse"),
      async (spool, where) => {
        const found = await contents(spool);
        expect(["1", "2", "3", "4", "5"].slice(0, found.length), where).toEqual(found);
        expect(found.length, where).toBeGreaterThanOrEqual(3);
        await spool.remove((await spool.list()).map(({ id }) => id));
        await spool.append([entry("6")], "refuse");
        expect(await contents(spool), where).toEqual(["6"]);
      },
      6 * block,
    );
    expect(points).toBeGreaterThan(10);
  });

  test("ok/append that drops: each record is there or counted, exactly once", async () => {
    const points = await atEveryDiskCall(
      (spool) => spool.append([entry("4"), entry("5"), entry("6")], "drop-oldest"),
      async (spool, where) => {
        const found = await contents(spool);
        const { dropped } = await spool.status();
        const old = found.filter((content) => "123".includes(content ?? "?"));
        expect(old.length + dropped, where).toBe(3);
        expect(old, where).toEqual(["1", "2", "3"].slice(dropped));
      },
    );
    expect(points).toBeGreaterThan(20);
  });

  test("ok/counting what was dropped: never twice", async () => {
    for (const strike of ["before", "after"] as const) {
      for (let at = 1; ; at += 1) {
        await rm(folder, { recursive: true, force: true });
        await mkdir(folder, { mode: 0o700 });
        for (let n = 1; n <= 20; n += 1) {
          writeFileSync(join(folder, `${String(n).padStart(12, "0")}-aaaaaaaaaaaa-3-0-load.dropped`), "");
        }
        const spool = fileReadingSpool(folder, { mostBytes: block });
        await spool.append([entry("a")], "refuse");
        const calls = await onDyingDisk(at, strike, () => spool.append([entry("b")], "drop-oldest"));
        if (calls < at) break;
        const where = `power cut ${strike} call ${at}`;
        // The lock of a process that is gone goes; of this one, which lives, it would stay.
        for (const name of await readdir(folder)) if (/^\.?lock/.test(name)) await rm(join(folder, name));
        const next = fileReadingSpool(folder, { mostBytes: block });
        const found = await contents(next);
        expect((await next.status()).dropped + (found.includes("a") ? 1 : 0), where).toBe(61);
        // Who drops next brings the count to its end.
        await next.remove((await next.list()).map(({ id }) => id));
        await next.append([entry("c")], "refuse");
        await next.append([entry("d")], "drop-oldest");
        expect((await next.status()).dropped + (found.includes("a") ? 1 : 0), where).toBe(62);
      }
    }
    expect(JSON.parse(await readFile(join(folder, "dropped.json"), "utf8")).records).toBe(61);
  });

  test("ok/take and remove: taken is still listed, removed is gone, nothing counts as dropped", async () => {
    await atEveryDiskCall(
      async (spool) => {
        const ids = (await spool.list()).slice(0, 2).map(({ id }) => id);
        await spool.take(ids);
        await spool.remove(ids);
      },
      async (spool, where) => {
        const found = await contents(spool);
        expect(found.at(-1), where).toBe("3");
        expect((await spool.status()).dropped, where).toBe(0);
      },
    );
  });
});
