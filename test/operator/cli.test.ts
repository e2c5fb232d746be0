import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { credentialPackageSchema } from "@sealpost/protocol/bootstrap.ts";
import { signReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { signTrust } from "@sealpost/protocol/documents/trust.ts";
import type { ReceiptClaims } from "@sealpost/protocol/exchanges/deregistration.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { CredentialRecord } from "../../functions/store/records.ts";
import { main } from "../../operator/cli.ts";
import { nobodyHas } from "../../operator/fleet.ts";
import { openService } from "../../operator/service.ts";
import { readStack } from "../../operator/stack.ts";
import { type SigningKey, signingKey } from "../support/keys.ts";
import { startApi, credentials } from "./api-server.ts";
import { startOperator, storeDevice, trustFixture } from "./operator.ts";
import { catchPrinted } from "./printed.ts";
import { localStack } from "./stacks.ts";

let folder: string;
let operator: ReturnType<typeof startOperator>;
let api: Awaited<ReturnType<typeof startApi>>;
let caught: ReturnType<typeof catchPrinted>;

beforeEach(async () => {
  caught = catchPrinted();
  folder = await mkdtemp(join(tmpdir(), "sealpost-cli-"));
  operator = startOperator();
  api = await startApi(operator);
  await writeStack();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await api.close();
  await rm(folder, { recursive: true });
});

const writeStack = async (changes: object = {}) => {
  const urls = {
    operatorUrl: `https://a1.execute-api.localhost:${api.port}`,
    bootstrapUrl: `https://localhost:${api.port}/bootstrap`,
  };
  await writeFile(
    join(folder, "stack.json"),
    JSON.stringify(localStack({ ...urls, ca: api.ca, credentials, ...changes })),
  );
};

const run = async (...words: string[]) => {
  caught.clear();
  const code = await main(["node", "sealpost", "--stack", join(folder, "stack.json"), ...words]);
  return { code, ...caught.printed };
};
const json = async (...words: string[]) => JSON.parse((await run("--json", ...words)).out);
const file = () => join(folder, "device.json");
const create = (...words: string[]) =>
  run("credential", "create", "--serial-number", "SN 1", "--out", file(), ...words);

const publishTrust = async () => {
  const { claims, root } = await trustFixture();
  await operator.post("/operator/trust", { document: await signTrust(claims, [root]) });
  return { claims, root };
};

describe("credential create", () => {
  test("ok/writes the package for its owner alone, and the service has only the secret's hash", async () => {
    const { root } = await publishTrust();
    const { code, out } = await create("--valid", "2d");
    expect(code).toBe(0);
    const made = credentialPackageSchema.parse(JSON.parse(await readFile(file(), "utf8")));
    expect(made).toMatchObject({
      serviceId: "sealpost-test",
      bootstrapUrl: `https://localhost:${api.port}/bootstrap`,
      roots: [root.kid],
      ca: api.ca,
    });
    expect(Buffer.from(made.secret, "base64url")).toHaveLength(32);
    expect(out).not.toContain(made.secret);
    expect((await stat(file())).mode & 0o777).toBe(0o600);

    const key = { table: "credentials", key: { credentialId: made.credentialId } } as const;
    const [stored] = (await operator.store.read([key])) as [CredentialRecord];
    expect(stored.secretHash).toBe(createHash("sha256").update(made.secret).digest("base64url"));
    expect(stored.validUntil - stored.created).toBe(2 * 86_400);
  });

  test("fails/does not replace a file, and then issues no credential, unless forced", async () => {
    await publishTrust();
    await create();
    const before = await readFile(file(), "utf8");
    const refused = await create();
    expect(refused).toMatchObject({ code: 2, error: expect.stringContaining("--force") });
    expect(await readFile(file(), "utf8")).toBe(before);
    expect((await json("credential", "list")).credentials).toHaveLength(1);
    expect((await create("--force")).code).toBe(0);
    expect(await readFile(file(), "utf8")).not.toBe(before);
  });

  test("fails/before the first trust document it says what to do, and leaves no file", async () => {
    const { code, error } = await create();
    expect(code).toBe(3);
    expect(error).toContain("sealpost trust publish");
    expect(await readdir(folder)).toEqual(["stack.json"]);
  });

  test("ok/with --out - prints the package and nothing else", async () => {
    await publishTrust();
    const { out } = await run("credential", "create", "--serial-number", "SN 1", "--out", "-");
    expect(credentialPackageSchema.safeParse(JSON.parse(out)).success).toBe(true);
  });

  test("ok/with --json the secret is in the package alone", async () => {
    await publishTrust();
    const { out } = await create("--json");
    const { secret } = JSON.parse(await readFile(file(), "utf8"));
    expect(JSON.parse(out)).toMatchObject({ credential: { status: "issued" }, file: file() });
    expect(out).not.toContain(secret);
  });

  test.each([
    ["--valid", "0d"],
    ["--valid", "401d"],
    ["--valid", "seven days"],
    ["--bootstrap-url", "http://example.com/bootstrap"],
  ])("fails/%s %s is wrong usage", async (...words) => {
    expect((await create(...words)).code).toBe(2);
  });
});

describe("a credential whose package cannot be written", () => {
  beforeEach(publishTrust);
  const credentialsThere = async () => (await json("credential", "list")).credentials;

  test.each([
    ["fails/a folder is refused before anything is issued", () => folder],
    [
      "fails/a folder that is not there is refused before anything is issued",
      () => join(folder, "none", "device.json"),
    ],
  ])("ok/%s", async (_, out) => {
    const refused = await run("credential", "create", "--serial-number", "SN 1", "--force", "--out", out());
    expect(refused.code).toBe(2);
    expect(await credentialsThere()).toEqual([]);
    expect(await readdir(folder)).toEqual(["stack.json"]);
  });

  test.runIf(existsSync("/dev/full"))("fails/on a full device it is revoked again", async () => {
    const lost = await run("credential", "create", "--serial-number", "SN 1", "--out", "/dev/full");
    expect(lost).toMatchObject({ code: 1, error: expect.stringContaining("ENOSPC") });
    expect(lost.error).toContain("revoked again");
    expect(await credentialsThere()).toMatchObject([{ status: "revoked" }]);
  });

  test("fails/to a reader that has gone it is revoked again", async () => {
    caught.failWith("EPIPE");
    const lost = await run("credential", "create", "--serial-number", "SN 1", "--out", "-");
    caught.failWith(undefined);
    expect(lost).toMatchObject({ code: 1, error: expect.stringContaining("revoked again") });
    expect(await credentialsThere()).toMatchObject([{ status: "revoked" }]);
  });

  test("fails/where it cannot be revoked either, the id and the next step are told", async () => {
    caught.failWith("ENOSPC");
    const lost = run("credential", "create", "--serial-number", "SN 1", "--out", "-");
    // The service goes away between the two requests.
    const write = operator.store.write;
    let writes = 0;
    vi.spyOn(operator.store, "write").mockImplementation(async (puts) => {
      writes += 1;
      return writes === 1 ? write(puts) : Promise.reject(new Error("gone"));
    });
    const { code, error } = await lost;
    expect(code).toBe(1);
    expect(error).toMatch(/→ run `sealpost credential revoke [0-9a-f-]{36}`/u);
  });
});

describe("standard output", () => {
  test.each([
    ["ok/a reader that has gone is no fault", "EPIPE", 0],
    ["fails/a disk that is full is one", "ENOSPC", 1],
  ])("ok/%s", async (_, code, exit) => {
    caught.failWith(code);
    expect((await run("device", "list")).code).toBe(exit);
    expect((await run("--help")).code).toBe(exit);
    expect((await run("device", "list", "--json")).code).toBe(exit);
  });
});

describe("--json", () => {
  test.each([
    ["fails/an error of the service is JSON", ["device", "show", "00000000-0000-4000-8000-000000000000"], "refused", 4],
    ["fails/wrong usage is JSON", ["device", "list", "--limit", "0"], "usage", 2],
    ["fails/a command that is missing is JSON", ["device"], "usage", 2],
    ["fails/a command that is not there is JSON", ["device", "lst"], "usage", 2],
  ] as const)("ok/%s", async (_, words, code, exit) => {
    const said = await run(...words, "--json");
    expect(said.code).toBe(exit);
    expect(said.out).toBe("");
    expect(JSON.parse(said.error)).toEqual({
      error: { code, message: expect.any(String), next: expect.any(String), exit },
    });
  });
});

describe("help", () => {
  test.each([[[]], [["device"]], [["device", "list"]], [["release", "publish"]], [["trust", "publish"]]])(
    "ok/of %j says exit codes, --json and --stack",
    async (words) => {
      const { code, out } = await run(...words, "--help");
      expect(code).toBe(0);
      for (const exit of [0, 1, 2, 3, 4, 5, 6]) expect(out).toMatch(new RegExp(`^  ${exit}  `, "mu"));
      expect(out).toContain("--json");
      expect(out).toContain("--stack <file>");
    },
  );

  test("ok/the version is printed, and a release has one of its own", async () => {
    expect(await run("--version")).toMatchObject({ code: 0, out: "0.0.0\n" });
    expect((await run("release", "publish", "none.bin", "--version", "1.0.0")).error).toContain(
      "--model <model>, --hardware <revision...>",
    );
  });
});

describe("arguments", () => {
  test.each([
    ["fails/a hardware twice", ["--hardware", "r1", "r1"], "named twice"],
    ["fails/17 hardware revisions", ["--hardware", ...Array.from({ length: 17 }, (_, n) => `r${n}`)], "1 to 16"],
    ["fails/a version that no manifest takes", ["--hardware", "r1", "--version", "1 0"], "letters, digits"],
  ])("ok/%s: before anything is done", async (_, words, why) => {
    const { code, error } = await run("release", "publish", "none.bin", "--model", "m", ...words, "--version", "1");
    expect(code).toBe(2);
    expect(error).toContain(why);
  });

  test("fails/a limit beyond the bound names the bound", async () => {
    expect(await run("device", "list", "--limit", "100000")).toMatchObject({
      code: 2,
      error: expect.stringContaining("from 1 to 10000"),
    });
  });
});

describe("lists", () => {
  test("ok/are tables for people and JSON for programs", async () => {
    const { identity } = await storeDevice(operator.store);
    const { out } = await run("device", "list");
    expect(out).toMatch(/^DEVICE +STATUS/u);
    expect(out).toContain(identity.deviceId);
    expect(out).toContain("2027-01-15T08:00:00Z");
    expect((await json("device", "list")).devices).toMatchObject([
      { deviceId: identity.deviceId, created: 1_800_000_000 },
    ]);
  });

  test("ok/end where --limit says, go on at --cursor, and are whole with --all", async () => {
    for (let count = 0; count < 5; count += 1) await storeDevice(operator.store);
    const first = await json("device", "list", "--limit", "3");
    const second = await json("device", "list", "--cursor", first.cursor);
    const all = await json("device", "list", "--all");
    expect([...first.devices, ...second.devices]).toEqual(all.devices);
    expect(all.devices).toHaveLength(5);
    expect((await run("device", "list", "--limit", "3")).error).toContain("--all");
  });

  test("ok/say that there is more only where there is", async () => {
    for (let count = 0; count < 3; count += 1) await storeDevice(operator.store);
    expect((await run("device", "list", "--limit", "2")).error).toContain("There is more");
    expect((await run("device", "list", "--limit", "3")).error).toBe("");
    expect(await json("device", "list", "--limit", "3")).not.toHaveProperty("cursor");
  });

  test("ok/cursors fit a line", async () => {
    for (let count = 0; count < 3; count += 1) await storeDevice(operator.store);
    const { error } = await run("device", "list", "--limit", "2");
    expect(error.trim().length).toBeLessThan(140);
  });

  test("ok/of one status fill up over pages that hold none", async () => {
    for (let count = 0; count < 6; count += 1) await storeDevice(operator.store);
    await storeDevice(operator.store, { status: "registered" });
    expect((await json("device", "list", "--status", "registered", "--limit", "1")).devices).toHaveLength(1);
  });

  test("ok/of the journal are of one device", async () => {
    const { identity } = await storeDevice(operator.store);
    await run("device", "revoke", identity.deviceId);
    expect((await json("audit", "list", "--device", identity.deviceId)).entries).toMatchObject([
      { action: "device.revoked" },
    ]);
    expect((await run("audit", "list", "--device", identity.deviceId, "--day", "2027-01-15")).code).toBe(2);
    expect((await run("audit", "list", "--device", identity.deviceId)).out).toMatch(
      /device\.revoked .*serialNumber=SN-1/u,
    );
  });

  test.each([
    ["fails/of a target that is not one", "device#1", 2],
    ["fails/of a target of which nothing is known", "device#00000000-0000-4000-8000-000000000000", 4],
  ])("ok/%s", async (_, target, code) => {
    expect((await run("audit", "list", "--target", target)).code).toBe(code);
  });
});

test("ok/a fleet is searched for a model that somebody has", async () => {
  const { service } = { service: openService(readStack(join(folder, "stack.json"))) };
  expect(await nobodyHas(service, "meter", ["r1"])).toBe(true);
  const registration = {
    model: "meter",
    hardware: "r1",
    firmware: { version: "1", counter: 1 },
    capabilities: [],
    at: 1,
  };
  const provisioned = await storeDevice(operator.store);
  const identity = { ...provisioned.identity, deviceId: randomUUID(), registration };
  await storeDevice(operator.store, { status: "registered", identity }, identity.deviceId);
  expect(await nobodyHas(service, "meter", ["r1", "r2"])).toBe(false);
  expect(await nobodyHas(service, "meter", ["r2"])).toBe(true);
});

describe("ids", () => {
  const first = "abcd1111-0000-4000-8000-000000000000";
  const second = "abcd2222-0000-4000-8000-000000000000";
  beforeEach(async () => {
    await storeDevice(operator.store, {}, first);
    await storeDevice(operator.store, {}, second);
  });

  test("ok/what they begin with is enough where one does", async () => {
    expect((await json("device", "show", "abcd2")).device.deviceId).toBe(second);
    expect((await run("device", "revoke", "abcd1111")).out).toContain(first);
    expect((await json("audit", "list", "--device", "abcd1111")).entries).toHaveLength(1);
  });

  test.each([
    ["fails/where several begin so", "abcd", "Several ids begin with abcd"],
    ["fails/where none does", "ffff", "No id begins with ffff"],
    ["fails/where it is too short to mean one", "abc", "first 4 characters"],
  ])("ok/%s", async (_, id, why) => {
    expect(await run("device", "show", id)).toMatchObject({ code: 2, error: expect.stringContaining(why) });
  });

  test("ok/on a terminal lists are short and fit, and are whole in a pipe", async () => {
    const terminal = { isTTY: process.stdout.isTTY, columns: process.stdout.columns };
    Object.assign(process.stdout, { isTTY: true, columns: 80 });
    const shown = await run("device", "list").finally(() => Object.assign(process.stdout, terminal));
    expect(shown.out).toMatch(/^abcd1111 /mu);
    expect(Math.max(...shown.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await run("device", "list")).out).toContain(first);
  });
});

describe("what goes wrong", () => {
  test("ok/a refusal is told with its reason, and ends with 4", async () => {
    const { identity } = await storeDevice(operator.store, { status: "deregistered" });
    const { code, error } = await run("device", "revoke", identity.deviceId);
    expect(code).toBe(4);
    expect(error).toMatch(/^error: .*de-registered.*\n→ /u);
  });

  test("fails/credentials that the API does not take name the policy that is missing, and end with 5", async () => {
    await writeStack({ credentials: { ...credentials, secretAccessKey: "another" } });
    const { code, error } = await run("device", "list");
    expect(code).toBe(5);
    expect(error).toContain("arn:aws:iam::123456789012:policy/Reading");
  });

  test("fails/a stack that is not up ends with 3 and names npm run up", async () => {
    await writeStack({ operatorUrl: "https://a1.execute-api.localhost:1" });
    const { code, error } = await run("device", "list");
    expect([code, error]).toEqual([3, expect.stringContaining("npm run up")]);
  });

  test("fails/a server with another certificate is not talked to", async () => {
    const other = await startApi(operator);
    await writeStack({ ca: other.ca });
    await other.close();
    const { code, error } = await run("device", "list");
    expect([code, error]).toEqual([3, expect.stringContaining("is not the one of")]);
  });

  test.each([
    [["device", "show", "1"]],
    [["device", "lst"]],
    [["credential", "create"]],
    [["release", "list", "--model", "m"]],
  ])("ok/%o is wrong usage and ends with 2", async (words) => {
    expect((await run(...words)).code).toBe(2);
  });

  test("ok/--help documents the exit codes and ends with 0", async () => {
    const { code, out } = await run("--help");
    expect(code).toBe(0);
    for (const exit of [1, 2, 3, 4, 5, 6]) expect(out).toMatch(new RegExp(`^  ${exit}  `, "mu"));
  });
});

describe("receipt verify", () => {
  const about = {
    sub: "abcd1111-0000-4000-8000-000000000000",
    signingKey: "A".repeat(43),
    encryptionKey: "A".repeat(43),
  };
  const receiptOf = async (signer: SigningKey, changes: Partial<ReceiptClaims> = {}) => {
    const type = "deregistration" as const;
    const claims = { iss: "sealpost-test", iat: 1_800_000_000, type, ...about, ...changes };
    await writeFile(join(folder, "receipt.jwt"), `\ufeff${await signReceipt(claims, signer)}\r\n`);
    return run("receipt", "verify", join(folder, "receipt.jwt"), "--json");
  };

  test("ok/under a present key, and under one of an earlier document", async () => {
    const { claims, root, receiptKey } = await trustFixture();
    const next = await signingKey();
    await operator.post("/operator/trust", { document: await signTrust(claims, [root]) });
    expect(JSON.parse((await receiptOf(receiptKey)).out)).toMatchObject({ valid: true, claims: about });
    const second = { ...claims, version: 2, receiptKeys: [next.jwk] };
    await operator.post("/operator/trust", { document: await signTrust(second, [root]) });
    expect(JSON.parse((await receiptOf(next)).out)).toMatchObject({ valid: true });
    expect(JSON.parse((await receiptOf(receiptKey)).out)).toMatchObject({ valid: true });
  });

  test("fails/signed by another key, or of another service", async () => {
    const { claims, root, receiptKey } = await trustFixture();
    await operator.post("/operator/trust", { document: await signTrust(claims, [root]) });
    expect(await receiptOf(await signingKey())).toMatchObject({ code: 4, out: "" });
    expect(await receiptOf(receiptKey, { iss: "other" })).toMatchObject({ code: 4, out: "" });
    expect((await run("receipt", "verify", join(folder, "none"))).code).toBe(2);
  });
});

test("ok/trust show prints what devices believe", async () => {
  const { root } = await publishTrust();
  const { out } = await run("trust", "show");
  expect(out).toContain(root.kid);
  expect(out).toContain("1 of 2");
});
