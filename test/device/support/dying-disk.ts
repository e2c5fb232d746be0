import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

import { PowerCut } from "./crash.ts";

const calls = ["mkdir", "open", "readdir", "rename", "rm", "stat"] as const;

/**
 * Runs the work on a disk that loses power at its n-th call, before or after that takes effect, and stays dead: what is on it is what the work
 * left there.
 * @returns how many calls there were
 */
export async function onDyingDisk(
  strikeAt: number,
  strike: "before" | "after",
  work: () => Promise<unknown>,
): Promise<number> {
  const real = Object.fromEntries(calls.map((name) => [name, fs[name]]));
  let made = 0;
  let dead = false;
  const guarded =
    (call: (...words: unknown[]) => Promise<unknown>) =>
    async (...words: unknown[]) => {
      if (dead) throw new PowerCut();
      made += 1;
      dead = made === strikeAt;
      if (dead && strike === "before") throw new PowerCut();
      const result = await call(...words);
      if (!dead) return result;
      if (isHandle(result)) await result.close();
      throw new PowerCut();
    };
  for (const name of calls) Object.assign(fs, { [name]: guarded(real[name] as never) });
  syncBuiltinESMExports();
  try {
    await work();
  } catch (error) {
    if (!dead) throw error;
  } finally {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  }
  return made;
}

function isHandle(result: unknown): result is fs.FileHandle {
  return typeof result === "object" && result !== null && "close" in result;
}
