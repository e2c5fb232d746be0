import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { preparePython } from "../../local/emulator/python.ts";

let directory: string;
let requirements: string;
let lines: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sealpost-python-"));
  requirements = join(directory, "requirements.txt");
  lines = [];
  await mkdir(join(directory, "bin"));
  await writeFile(requirements, "nothing==1.0\n");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A shell script in place of an interpreter: answers the probe, and does as told for `-m venv` and `-m pip`. */
async function fakePython(
  name: string,
  fake: { readonly probe: string; readonly venv?: string; readonly pip?: string },
): Promise<void> {
  const path = join(directory, "bin", name);
  const script = `#!/bin/sh
case "$1 $2" in
  "-c "*) echo "sealpost ${fake.probe}" ;;
  "-m venv") ${fake.venv ?? `/bin/mkdir -p "$3/bin" && /bin/cp "$0" "$3/bin/python"`} ;;
  "-m pip") ${fake.pip ?? "echo installed"} ;;
esac
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
}

const prepare = () =>
  preparePython({
    directory: join(directory, "venv"),
    requirements,
    log: (line) => lines.push(line),
    environment: { PATH: join(directory, "bin") },
  });

describe("preparePython", () => {
  it("ok/builds once, and again when the requirements change", async () => {
    await fakePython("python3", { probe: "3 12 1" });
    const first = await prepare();
    expect(await prepare()).toBe(first);
    expect(lines).toHaveLength(1);
    await writeFile(requirements, "nothing==2.0\n");
    expect(await prepare()).not.toBe(first);
    expect(lines).toHaveLength(2);
  });

  it("ok/serves two at once and leaves nothing half-built", async () => {
    await fakePython("python3", { probe: "3 12 1" });
    const [one, two] = await Promise.all([prepare(), prepare()]);
    expect(one).toBe(two);
    const left = await readdir(join(directory, "venv"));
    expect(left.filter((name) => name.startsWith("building-"))).toEqual([]);
  });

  it("ok/passes over an old python3 for a newer one beside it", async () => {
    await fakePython("python3", { probe: "3 9 1" });
    await fakePython("python3.11", { probe: "3 11 1" });
    await expect(prepare()).resolves.toContain("requirements-");
  });

  it("fails/says how to get Python when there is none", async () => {
    await expect(prepare()).rejects.toMatchObject({
      code: "python-missing",
      message: expect.stringContaining("apt install python3 python3-venv"),
    });
  });

  it("fails/says which Python is too old", async () => {
    await fakePython("python3", { probe: "3 9 1" });
    await expect(prepare()).rejects.toMatchObject({
      code: "python-too-old",
      message: expect.stringMatching(/python3 is 3\.9/u),
    });
  });

  it("fails/names Debian's packages when venv is missing", async () => {
    await fakePython("python3", { probe: "3 11 0" });
    await expect(prepare()).rejects.toMatchObject({
      code: "python-venv-missing",
      message: expect.stringMatching(/python3-venv.*python3\.11-venv/u),
    });
  });

  it("fails/names them too when venv breaks half-way", async () => {
    await fakePython("python3", { probe: "3 11 1", venv: "echo 'ensurepip is not available'; exit 1" });
    await expect(prepare()).rejects.toMatchObject({
      code: "python-venv-missing",
      message: expect.stringContaining("ensurepip is not available"),
    });
  });

  it("fails/says what to do and where the log is when pip fails", async () => {
    await fakePython("python3", { probe: "3 12 1", pip: "echo 'no route to host'; exit 1" });
    await expect(prepare()).rejects.toMatchObject({
      code: "python-packages",
      message: expect.stringMatching(/no route to host[^]*PIP_INDEX_URL[^]*requirements\.log/u),
    });
    const left = await readdir(join(directory, "venv"));
    expect(left).toEqual(["requirements.log"]);
  });
});
