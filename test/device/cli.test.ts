import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { lockHome } from "../../device/adapters/home-lock.ts";
import { adviceFor, failures } from "../../device/cli/failures.ts";
import { type DeviceErrorCode, deviceErrors } from "../../device/device-error.ts";
import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { type Bench, issueCredential, openBench, registryEntry } from "./support/bench.ts";
import { readOnlyView, smallFileSystem } from "./support/file-systems.ts";
import { type LiveService, startLiveService, unusedAddress } from "./support/live-service.ts";
import { makeRelease, publishRelease } from "./support/release.ts";

const bin = fileURLToPath(new URL("../../device/bin.js", import.meta.url));
const register = [
  "register",
  "--model",
  "meter",
  "--hardware",
  "r2",
  "--firmware-version",
  "1.0.0",
  "--firmware-counter",
  "1",
];

let bench: Bench;
let live: LiveService;
let folder: string;
let home: string;
/** Half of what a process costs is compiling the same source once more. */
let compiled: string;

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), "sealpost-compiled-"));
  bench = await openBench();
  live = await startLiveService(bench);
});
afterAll(async () => {
  await live.close();
  await rm(compiled, { recursive: true, force: true });
  vi.restoreAllMocks();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-cli-"));
  home = join(folder, "home");
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

type Ran = { readonly exit: number; readonly out: string; readonly err: string };
function run(...args: string[]): Promise<Ran> {
  const all = [bin, "--home", home, "--via", live.messageUrl, "--max-wait", "5", ...args];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      all,
      { cwd: folder, env: { ...process.env, NODE_NO_WARNINGS: "", NODE_COMPILE_CACHE: compiled } },
      (error, out, err) => {
        resolve({ exit: typeof error?.code === "number" ? error.code : 0, out, err });
      },
    );
  });
}

async function packageFile(change: object = {}): Promise<{ file: string; secret: string }> {
  const credential = {
    ...(await issueCredential(bench.service)),
    bootstrapUrl: live.bootstrapUrl,
    ca: live.ca,
    ...change,
  };
  const file = join(folder, "package.json");
  await writeFile(file, JSON.stringify(credential));
  return { file, secret: credential.secret };
}

async function enrol(): Promise<void> {
  const { file } = await packageFile();
  expect(await run("bootstrap", "--package", file)).toMatchObject({ exit: 0 });
}

test("ok/a whole life, each verb its own process", async () => {
  await enrol();
  const registered = await run(...register, "--capability", "telemetry", "--json");
  expect(JSON.parse(registered.out)).toMatchObject({ model: "meter", pollSeconds: 3_600 });
  const { deviceId } = JSON.parse((await run("status", "--json")).out) as { deviceId: string };

  expect((await run("check")).out).toContain("nothing newer");
  const image = randomBytes(150_000);
  await publishRelease(bench, makeRelease(image));
  expect((await run("check")).out).toContain("Firmware 2.0.0 (release 2, 146.5 KiB) is on offer");
  expect((await run("status")).out).toMatch(/^next +→ sealpost-device update$/m);
  const update = await run("update");
  expect((await run("status")).out).toMatch(/^next +→ sealpost-device boot$/m);
  expect(update.err).toContain("firmware: 100 % (146.5 KiB of 146.5 KiB)");
  expect(await readFile(join(home, "slots", "b.bin"))).toEqual(image);
  const boot = await run("boot");
  expect(boot).toMatchObject({ exit: 0, out: expect.stringContaining("installed: firmware 2.0.0") });
  expect((await registryEntry(bench, deviceId))?.identity.update).toMatchObject({ counter: 2, state: "installed" });
  expect((await run("report", "--counter", "2", "--state", "failed", "--reason", "no-space")).exit).toBe(0);

  const before = JSON.parse((await run("status", "--json")).out) as object;
  expect(before).toMatchObject({ phase: "registered", firmware: { counter: 2 }, pending: [] });
  expect((await run("renew")).exit).toBe(0);
  expect(JSON.parse((await run("status", "--json")).out)).not.toMatchObject({
    signingKey: (before as { signingKey: string }).signingKey,
  });
  expect((await run("send", "energy", "--value", "1", "--spool-only")).exit).toBe(0);
  const left = JSON.parse((await run("deregister", "--reason", "replaced", "--json")).out) as {
    receipt: string;
    file: string;
    unsent: number;
  };
  expect(left.unsent).toBe(1);
  expect(left.receipt.split(".")).toHaveLength(3);
  expect(left.file).toBe(join(home, "receipt.jws"));
  expect(await readFile(left.file, "utf8")).toBe(`${left.receipt}\n`);
  expect(await readdir(join(home, "keys"))).toEqual([]);
  expect((await run("status")).out).toContain("deregistered");
  expect((await run("deregister")).out).toContain("Readings that were stored and never will be sent: 1.");
  expect(await run("check")).toMatchObject({ exit: 3 });
});

test("ok/a firmware that does not come up is rolled back and reported", async () => {
  await enrol();
  await run(...register);
  await publishRelease(bench, makeRelease(randomBytes(10_000), { counter: 9, version: "9.0.0" }));
  expect((await run("update")).exit).toBe(0);
  expect((await run("boot", "--fail")).out).toContain("rolled-back: firmware 1.0.0");
  expect((await run("boot")).out).toContain("Nothing new was booted: firmware 1.0.0");
  expect((await run("update")).out).toContain("sealpost-device update --again");
  expect((await run("update", "--again")).out).toContain("Firmware 9.0.0 is verified");
}, 60_000);

describe("readings", () => {
  test("ok/one by value, some from a file, and sent with what was stored before; status shows the spool", async () => {
    await enrol();
    expect((await run("send", "energy", "--value", "230.5", "--name", "load", "--unit", "W", "--spool-only")).out).toBe(
      "Stored 1 reading of energy.\n",
    );
    // Not registered yet, so they wait, and that is no failure: they are stored.
    const waiting = await run("send", "energy", "--value", "true", "--json");
    expect(waiting.exit).toBe(0);
    expect(JSON.parse(waiting.out)).toMatchObject({ stored: 1, dropped: 0, waiting: { code: "not-registered" } });
    expect((await run("status")).out).toMatch(/^readings +2 to be sent/m);
    await run(...register);
    const lines = join(folder, "readings.ndjson");
    await writeFile(lines, '{"value":1,"time":"2026-01-01T00:00:00Z"}\n\n{"sum":2.5,"data":{"phase":1}}\n');
    expect((await run("send", "energy", lines)).out).toBe("Stored 2 readings of energy.\nSent 4 readings.\n");
    await writeFile(lines, '[{"value":1},{"value":"x"}]');
    expect(JSON.parse((await run("send", "energy", lines, "--json")).out)).toEqual({
      stored: 2,
      dropped: 0,
      sent: 2,
      refused: 0,
      unknown: 0,
    });
    expect((await run("send")).out).toBe("Sent 0 readings.\n");
    expect((await run("status")).out).not.toContain("readings");
  }, 60_000);

  test("ok/while another process has the home they are stored, and it says so", async () => {
    await enrol();
    await run(...register);
    const unlock = await lockHome(home);
    const { exit, out } = await run("send", "energy", "--value", "1").finally(unlock);
    expect({ exit, out }).toMatchObject({ exit: 0, out: expect.stringContaining("They wait: another process works") });
    expect((await run("send")).out).toBe("Sent 1 reading.\n");
  });

  test("fails/nothing is stored of an input with a mistake, and the place is named", async () => {
    expect(await run("send", "energy", "--value", "1")).toMatchObject({ exit: 3 });
    expect(existsSync(home)).toBe(false);
    await enrol();
    const lines = join(folder, "readings.ndjson");
    for (const [content, why] of [
      ['{"value":1}\n{"value":', "line 2 is not JSON"],
      ['{"value":1}\n{"valu":1}', "valu is missing or not allowed (line 2)"],
      ['[{"value":1},{}]', "record 2"],
      ['{"value":1,"time":"2026-01-01T00:00:00"}', "time is not ISO 8601 with a zone (line 1)"],
    ] as const) {
      await writeFile(lines, content);
      expect(await run("send", "energy", lines, "--spool-only")).toMatchObject({
        exit: 4,
        err: expect.stringContaining(why),
      });
    }
    expect(await run("send", "energy", join(folder, "none"))).toMatchObject({ exit: 4 });
    expect(await run("send", "energy", lines, "--value", "1")).toMatchObject({ exit: 2 });
    expect((await run("status")).out).not.toContain("readings");
  }, 60_000);
});

describe("a newcomer's mistakes", () => {
  const nobodyHere = (code: DeviceErrorCode) =>
    adviceFor({ code, circumstance: "nobody-on-this-machine", cause: undefined });
  const failure = async (code: DeviceErrorCode, ...args: string[]) => failureWith(failures[code].next, code, ...args);
  const failureWith = async (next: string, code: DeviceErrorCode, ...args: string[]) => {
    const { exit, out, err } = await run(...args);
    expect({ exit, out }).toEqual({ exit: failures[code].exit, out: "" });
    expect(err).toContain(`error: ${deviceErrors[code]}`);
    expect(err).toContain(`→ ${next}`);
    expect(err).not.toMatch(/\n\s+at |node:internal|\.ts:\d/);
    return err;
  };

  test("fails/verbs before bootstrap, without making a home", async () => {
    for (const verb of [register, ["check"], ["update"], ["boot"], ["renew"], ["deregister"]])
      await failure("not-bootstrapped", ...verb);
    expect((await run("status")).out).toContain("sealpost-device bootstrap --package FILE");
    expect(await readdir(folder)).toEqual([]);
  });

  test("fails/check before register", async () => {
    await enrol();
    expect(await failure("not-registered", "check")).toContain("register --help");
    expect(await failure("not-registered", "boot")).toContain("register --help");
  });

  test("fails/package: missing, a folder, not JSON, another file", async () => {
    for (const [file, why] of [
      [join(folder, "nope"), "there is no such file"],
      [folder, "it is a folder"],
    ] as const) {
      const { exit, err } = await run("bootstrap", "--package", file);
      expect(exit).toBe(4);
      expect(err).toContain(why);
      expect(err).toContain(failures["package-unreadable"].next);
    }
    await writeFile(join(folder, "bad"), '{"secret": "hunter2hunter2", ');
    expect(await failure("package-invalid", "bootstrap", "--package", join(folder, "bad"))).not.toContain("hunter2");
    await writeFile(join(folder, "other"), "{}");
    await failure("package-invalid", "bootstrap", "--package", join(folder, "other"));
    await writeFile(join(folder, "twice"), '{"secret": "hunter2hunter2", "secret": "hunter2hunter2"}');
    const twice = await failure("package-invalid", "bootstrap", "--package", join(folder, "twice"));
    expect(twice).toContain("names a member twice");
    expect(twice).not.toContain("hunter2");
  });

  test("fails/used credential, another's home, another service", async () => {
    const { file, secret } = await packageFile();
    expect((await run("bootstrap", "--package", file)).out).toContain("The TLS connection is closed");
    const again = await run("bootstrap", "--package", file);
    expect(again).toMatchObject({ exit: 0, out: expect.stringContaining("is bootstrapped already: it is device") });
    expect(again.out).not.toContain("TLS");
    await run(...register);
    const first = home;
    home = join(folder, "second");
    expect(await failure("credential-refused", "bootstrap", "--package", file)).not.toContain(secret);
    home = first;
    await failure("already-bootstrapped", "bootstrap", "--package", (await packageFile()).file);
    await failure("other-service", "bootstrap", "--package", (await packageFile({ serviceId: "elsewhere" })).file);
  });

  test("fails/host: unreachable, not trusted", async () => {
    const nobody = await packageFile({ bootstrapUrl: `${await unusedAddress()}/x` });
    const next = nobodyHere("unreachable");
    const refused = await failureWith(next, "unreachable", "bootstrap", "--package", nobody.file);
    expect(refused).toContain("ECONNREFUSED");
    home = join(folder, "second");
    await failure(
      "tls-not-trusted",
      "bootstrap",
      "--package",
      (await packageFile({ ca: issueEdgeCertificates().ca })).file,
    );
  });

  test("fails/no relay, in the time that --max-wait gives; the message stays", async () => {
    await enrol();
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const away = ["--via", `http://127.0.0.1:${port}`, "--max-wait", "1"];
    const err = await failureWith(nobodyHere("no-answer"), "no-answer", ...register, ...away);
    expect(err).toContain("ECONNREFUSED");
    expect((await run("status")).out).toContain("register (seq 1)");
    expect((await run(...register)).exit).toBe(0);
    expect((await run("status")).out).not.toContain("pending");
  });

  test("fails/home in use: nothing but status", async () => {
    await enrol();
    const unlock = await lockHome(home);
    expect(await failure("home-busy", "check")).toContain(String(process.pid));
    expect(await run("status")).toMatchObject({ exit: 0, out: expect.stringContaining("provisioned") });
    await unlock();
  });

  test("fails/a home that others can write to: the advice names the chmod", async () => {
    await enrol();
    await chmod(home, 0o777);
    expect(await failureWith(`run \`chmod go-w ${home}\``, "home-unsafe", "check")).toContain("has mode 0777");
    await chmod(home, 0o700);
    expect((await run("check")).exit).toBe(3);
  });

  test("ok/status shows the keys that are there, also where the state was put back from before a renewal", async () => {
    await enrol();
    const before = await readFile(join(home, "state.json"));
    const renewed = JSON.parse((await run("renew", "--json")).out) as { signingKey: string };
    await writeFile(join(home, "state.json"), before);
    expect(JSON.parse((await run("status", "--json")).out)).toMatchObject(renewed);
    await rm(join(home, "keys", "current.json"));
    await failure("keys-missing", "status");
  }, 120_000);

  test("ok/status of a home that cannot be written", async ({ skip, onTestFinished }) => {
    const readOnly = await enrol().then(() => readOnlyView(folder));
    if (!readOnly) return skip("this machine does not let a test mount one");
    onTestFinished(() => readOnly.unmount());
    home = join(readOnly.path, "home");
    expect(await run("status")).toMatchObject({ exit: 0, out: expect.stringContaining("provisioned") });
    expect((await run("check")).err).toContain("mounted read-only");
  });

  test("fails/the record of the slots is damaged: the advice spares the device, and heals it", async () => {
    await enrol();
    await run(...register);
    await writeFile(join(home, "slots", "slots.json"), "{");
    const file = join(home, "slots", "slots.json");
    expect(await failureWith("the device's identity is not in it", "slots-broken", "update")).toContain(
      `remove ${file}`,
    );
    await rm(file);
    expect((await run(...register)).exit).toBe(0);
    expect((await run("update")).exit).toBe(0);
  });

  test("ok/advice about a file goes by the system's code, and says so where that is not known", () => {
    const advice = (errno: string) => {
      const cause = Object.assign(new Error(), { code: errno });
      return adviceFor({ code: "home-denied", circumstance: undefined, cause });
    };
    expect(advice("EACCES")).toContain("owner and permissions");
    for (const errno of ["EROFS", "ENOTDIR", "ELOOP", "EIO", "EMFILE"]) {
      expect(advice(errno), errno).not.toContain("permissions");
      expect(advice(errno), errno).not.toBe(failures["home-denied"].next);
    }
    expect(advice("EWHATEVER")).toContain("not known here");
  });

  test("fails/usage: exit 2 with the way to help", async () => {
    for (const [says, ...words] of [
      ["--help", "boo"],
      ["Did you mean check?", "chek"],
      ["--package", "bootstrap"],
      ["number of seconds", "check", "--max-wait", "soon"],
      ["whole number", "report", "--counter", "one", "--state", "failed"],
      ["Usage:"],
    ] as const) {
      const { exit, out, err } = await run(...words);
      expect({ exit, out }, words.join(" ")).toEqual({ exit: 2, out: "" });
      expect(err).toContain(says);
    }
  }, 120_000);

  test("fails/--via is refused at once by the rule for addresses", async () => {
    for (const [via, why] of [
      ["relay", "not a URL"],
      ["http://user@relay.test", "user name"],
      ["http://relay.test/?a=1", "query"],
    ] as const) {
      const { exit, err } = await run("check", "--via", via);
      expect(exit, via).toBe(2);
      expect(err, via).toContain(why);
    }
  }, 120_000);

  test("fails/usage with --json: an object as well", async () => {
    for (const words of [["boo"], ["check", "--max-wait", "soon"], []]) {
      const { exit, out, err } = await run("--json", ...words);
      expect({ exit, out }).toEqual({ exit: 2, out: "" });
      expect(JSON.parse(err)).toMatchObject({ error: { code: "usage", exit: 2, next: failures.usage.next } });
    }
  }, 120_000);

  test("fails/register names all that is missing", async () => {
    await enrol();
    const first = await run("register");
    expect(first.exit).toBe(2);
    expect(first.err).toContain("--model, --hardware, --firmware-version, --firmware-counter");
    expect((await run("register", "--model", "meter", "--firmware-counter", "1")).err).toMatch(
      /: --hardware, --firmware-version\.$/m,
    );
    expect((await run(...register)).exit).toBe(0);
    expect((await run("register", "--model", "meter")).exit).toBe(0);
  }, 120_000);

  test("ok/a package as an editor or PowerShell saved it; fails/text in another encoding is named", async () => {
    const { file } = await packageFile();
    const lines = JSON.stringify(JSON.parse(await readFile(file, "utf8")), null, 2).replaceAll("\n", "\r\n");
    await writeFile(file, Buffer.from(`\ufeff${lines}`, "utf16le"));
    expect((await run("bootstrap", "--package", file)).exit).toBe(0);
    await writeFile(file, `\ufeff${lines}`);
    expect((await run("bootstrap", "--package", file)).out).toContain("bootstrapped already");
    await writeFile(file, Buffer.from(lines, "utf16le"));
    await failure("package-invalid", "bootstrap", "--package", file);
    await writeFile(file, Buffer.from(`"\u00e9"`, "latin1"));
    expect(await failure("package-invalid", "bootstrap", "--package", file)).toContain("save it in that encoding");
  }, 120_000);

  test("fails/values: exit 4, names the member", async () => {
    await enrol();
    expect(await failure("argument-invalid", "register", "--model", "a b", ...register.slice(3))).toContain("model");
  });

  test("fails/--json: the error is an object on standard error", async () => {
    const { exit, out, err } = await run("check", "--json");
    expect({ exit, out }).toEqual({ exit: 3, out: "" });
    expect(JSON.parse(err)).toEqual({
      error: { code: "not-bootstrapped", message: expect.any(String), next: expect.any(String), exit: 3 },
    });
  });
});

test("ok/--quiet says nothing", async () => {
  const { file } = await packageFile();
  expect(await run("bootstrap", "--package", file, "--quiet")).toEqual({ exit: 0, out: "", err: "" });
});

test("ok/every exit code of the table is in the help, and no error lacks advice", async () => {
  const { out } = await run("--help");
  for (const [code, { exit, next }] of Object.entries(failures)) {
    expect(
      out.split("\n").find((line) => line.trimStart().startsWith(`${exit} `)),
      code,
    ).toContain(code);
    expect(next.length, code).toBeGreaterThan(10);
    expect(next, code).not.toContain("reissue");
  }
});

test("ok/each help shows its example, the options of all and the exit codes; --version", async () => {
  for (const command of ["bootstrap", "update", "status"]) {
    const { exit, out } = await run(command, "--help");
    expect(exit, command).toBe(0);
    for (const part of ["Example:", `$ sealpost-device ${command}`, "--json", "--home", "Exit codes:", "home-busy"]) {
      expect(out, command).toContain(part);
    }
  }
  expect(await run("--version")).toMatchObject({ exit: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
}, 120_000);

test.skipIf(!existsSync("/dev/full"))(
  "fails/a result that could not be written is no success",
  async () => {
    const full = openSync("/dev/full", "w");
    try {
      for (const words of [["--help"], ["status"], ["status", "--json"]]) {
        const child = spawn(process.execPath, [bin, "--home", home, ...words], { stdio: ["ignore", full, "pipe"] });
        let err = "";
        child.stderr?.on("data", (piece: Buffer) => void (err += piece.toString()));
        expect(await new Promise((resolve) => child.on("close", resolve)), words.join(" ")).toBe(11);
        expect(err).toContain("ENOSPC");
        expect(err.startsWith("{"), words.join(" ")).toBe(words.includes("--json"));
      }
    } finally {
      closeSync(full);
    }
  },
  30_000,
);

test("fails/an image that does not fit: told as that, and the registry knows", async ({ skip, onTestFinished }) => {
  const small = smallFileSystem(256 << 10);
  if (!small) return skip("this machine does not let a test mount one");
  onTestFinished(() => small.unmount());
  home = join(small.path, "home");
  await enrol();
  await run(...register);
  await publishRelease(bench, makeRelease(randomBytes(400_000), { counter: 20, version: "20.0.0" }));
  const { exit, err } = await run("update");
  expect(exit).toBe(failures["no-space"].exit);
  expect(err).toContain("There is no space left");
  expect(err).toContain("free some space");
  const { deviceId } = JSON.parse((await run("status", "--json")).out) as { deviceId: string };
  const update = (await registryEntry(bench, deviceId))?.identity.update;
  expect(update).toMatchObject({ counter: 20, state: "failed", reason: "no-space" });
}, 120_000);

test("ok/a reader that goes away early is no fault", async () => {
  const child = spawn(process.execPath, [bin, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let err = "";
  child.stderr.on("data", (piece: Buffer) => void (err += piece.toString()));
  const exit = await new Promise((resolve) => child.on("close", resolve));
  expect({ exit, err }).toEqual({ exit: 0, err: "" });
});
