import { link, open, rename, rm } from "node:fs/promises";

import { OperatorFault } from "./fault.ts";

/** A file that is made before what it will hold, and perhaps its name, exists, so that no secret is made in vain. */
export type PendingFile = {
  /** Puts it in place, whole. */
  commit(path: string, text: string): Promise<void>;
  discard(): Promise<void>;
};

/**
 * Begins a file that its owner alone can read.
 * @param path where it will be; in the working directory if that is not known yet
 * @param overwrite whether a file that is there may be replaced
 * @throws OperatorFault `usage`
 */
export async function createPrivateFile(path: string | undefined, overwrite: boolean): Promise<PendingFile> {
  const temporary = `${path ?? "credential"}.${process.pid}.tmp`;
  if (path !== undefined && !overwrite) await refuseExisting(path);
  const file = await open(temporary, "wx", 0o600).catch((cause: unknown) => {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    throw new OperatorFault(
      "usage",
      `${path ?? "The working directory"} cannot be written (${reason}).`,
      "name another file: --out FILE",
      {
        cause,
      },
    );
  });
  return {
    async commit(final, text) {
      await file.writeFile(text);
      await file.sync();
      await file.close();
      if (overwrite) await rename(temporary, final);
      else await linkOnce(temporary, final);
    },
    async discard() {
      await file.close();
      await rm(temporary, { force: true });
    },
  };
}

/** Unlike a rename, a link does not replace a file that appeared meanwhile. */
async function linkOnce(temporary: string, final: string): Promise<void> {
  try {
    await link(temporary, final);
  } catch (cause) {
    throw existsFault(final, cause);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function refuseExisting(path: string): Promise<void> {
  const file = await open(path).catch(() => undefined);
  if (!file) return;
  await file.close();
  throw existsFault(path);
}

function existsFault(path: string, cause?: unknown): OperatorFault {
  return new OperatorFault(
    "usage",
    `${path} exists, and may hold the only copy of another credential.`,
    "name another file with --out, or add --force",
    { cause },
  );
}
