import { execFile } from "node:child_process";
import { access, readdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

import { beforeAll, describe, expect, test } from "vitest";

import { repository } from "../../local/repository.ts";
import { credentialPackage, stack, temporaryFolder } from "./world.ts";

const execute = promisify(execFile);

/** The Node that the user has, not the one that this repository brings; npm says which one runs it. */
const usersNode = process.env["npm_node_execpath"] ?? process.execPath;
const environment = {
  ...process.env,
  PATH: [
    dirname(usersNode),
    ...(process.env["PATH"] ?? "").split(delimiter).filter((path) => !path.includes("node_modules")),
  ].join(delimiter),
};

let folder: string;
let bin: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  const npm = (words: string[], cwd: string) => execute("npm", words, { cwd, env: environment });
  await execute(process.execPath, [join(repository, "device", "build.ts")], { cwd: repository });
  await npm(["pack", "--ignore-scripts", "--pack-destination", folder, "--workspace", "@sealpost/device"], repository);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  await writeFile(join(folder, "package.json"), '{ "private": true }');
  await npm(["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`], folder);
  bin = join(folder, "node_modules", ".bin", "sealpost-device");
});

const run = (...words: string[]) => execute(usersNode, [bin, ...words], { cwd: folder, env: environment });

describe("the device package, packed and installed elsewhere", () => {
  test("ok/brings everything it needs, and only built files", async () => {
    const installed = await readdir(join(folder, "node_modules"));
    expect(installed.filter((name) => !name.startsWith("."))).toEqual(["@sealpost"]);
    await access(join(folder, "node_modules", "@sealpost", "device", "dist", "index.d.ts"));
  });

  test("ok/bootstraps and registers on the user's own Node", async () => {
    await writeFile(join(folder, "credential.json"), JSON.stringify(await credentialPackage()));
    const { stdout: version } = await execute(usersNode, ["--version"]);
    expect(Number(version.slice(1).split(".")[0])).toBeGreaterThanOrEqual(20);
    const at = ["--home", join(folder, "home"), "--via", stack.messageUrl, "--json"];
    await run(...at, "bootstrap", "--package", "credential.json");
    const profile = [
      "--model",
      "packed-meter",
      "--hardware",
      "r1",
      "--firmware-version",
      "1.0.0",
      "--firmware-counter",
      "1",
    ];
    await run(...at, "register", ...profile);
    const { stdout } = await run(...at, "status");
    expect(JSON.parse(stdout)).toMatchObject({ phase: "registered" });
    await run(...at, "deregister");
  });

  test("ok/the SDK is imported by its name", async () => {
    const script =
      'import { Device } from "@sealpost/device"; import { fileKeyStore } from "@sealpost/device/node"; console.log(typeof Device.bootstrap, typeof fileKeyStore);';
    await writeFile(join(folder, "try.mjs"), script);
    const { stdout } = await execute(usersNode, ["try.mjs"], { cwd: folder, env: environment });
    expect(stdout.trim()).toBe("function function");
  });
});
