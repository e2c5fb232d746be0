import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onTestFinished, vi } from "vitest";

import { startAgent } from "./agent.ts";
import { issueCredential, openBench } from "./bench.ts";
import { startLiveService } from "./live-service.ts";

/** A service that listens, and a machine for `sealpost-device run` to be started on again and again; both end with the test. */
export async function openAgentWorld() {
  const folder = await mkdtemp(join(tmpdir(), "sealpost-agent-"));
  const bench = await openBench();
  const live = await startLiveService(bench);
  onTestFinished(async () => {
    await live.close();
    await rm(folder, { recursive: true, force: true });
    vi.restoreAllMocks();
  });
  const home = join(folder, "home");
  /** What tells one start of the machine from another. */
  const bootId = join(folder, "boot");
  await writeFile(bootId, "boot-0");
  const credential = { ...(await issueCredential(bench.service)), bootstrapUrl: live.bootstrapUrl, ca: live.ca };
  await writeFile(join(folder, "package.json"), JSON.stringify(credential));
  const always = [
    ...["--package", join(folder, "package.json"), "--model", "meter", "--hardware", "r2"],
    ...["--firmware-version", "1.0.0", "--firmware-counter", "1", "--boot-id", bootId],
  ];
  /** @param words what this test wants of `run` besides */
  const start = (words: readonly string[]) =>
    startAgent(["--home", home, "--via", live.messageUrl], [...always, ...words], {
      NODE_COMPILE_CACHE: join(folder, "compiled"),
    });
  return { folder, bench, home, bootId, start };
}
