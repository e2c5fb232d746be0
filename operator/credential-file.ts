import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";

import { OperatorFault } from "./fault.ts";
import { print } from "./stdout.ts";

/** Where a credential package will be: it is made sure of before the credential exists, so that no secret is made in vain. */
export type Place = {
  /**
   * Puts the package there, whole.
   * @returns where it is
   * @throws whatever kept it from being written
   */
  fill(name: string, text: string): Promise<string>;
  discard(): Promise<void>;
};

/** More than any package has. */
const reservedBytes = 16_384;

/**
 * @param path `-` is standard output; without one, a file in the working directory whose name is known later
 * @param overwrite whether a file that is there may be replaced
 * @throws OperatorFault `usage`
 */
export async function reservePlace(path: string | undefined, overwrite: boolean): Promise<Place> {
  if (path === "-") return { fill: async (_, text) => print(text).then(() => path), discard: async () => undefined };
  const present = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (path !== undefined && present) {
    if (present.isDirectory()) {
      throw new OperatorFault("usage", `${path} is a folder.`, "name a file in it: --out FILE");
    }
    if (!present.isFile()) return reserveDevice(path);
    if (!overwrite) throw existsFault(path);
  }
  return reserveFile(path, overwrite);
}

/** `/dev/stderr`, a pipe with a name: nothing can be reserved, and nothing can be put beside it. */
async function reserveDevice(path: string): Promise<Place> {
  const file = await open(path, "w").catch((cause: unknown) => {
    throw unwritable(path, cause);
  });
  return {
    async fill(_, text) {
      await file.writeFile(text);
      await file.close();
      return path;
    },
    discard: () => file.close(),
  };
}

/** A file beside the final one, that its owner alone can read and that already takes its room on the disk. */
async function reserveFile(path: string | undefined, overwrite: boolean): Promise<Place> {
  const temporary = `${path ?? "credential"}.${process.pid}.tmp`;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, "wx", 0o600);
    await file.writeFile(" ".repeat(reservedBytes));
    await file.sync();
  } catch (cause) {
    await file?.close();
    if (file) await rm(temporary, { force: true });
    throw unwritable(path ?? "The working directory", cause);
  }
  const reserved = file;
  return {
    async fill(name, text) {
      const final = path ?? name;
      await reserved.write(text, 0);
      await reserved.truncate(Buffer.byteLength(text));
      await reserved.sync();
      await reserved.close();
      if (overwrite) await rename(temporary, final);
      else await placeOnce(temporary, final, text);
      return final;
    },
    async discard() {
      await reserved.close().catch(() => undefined);
      await rm(temporary, { force: true });
    },
  };
}

/** File systems without hard links (FAT, some network shares) refuse one in different ways. */
const noLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EACCES"]);

/** Unlike a rename, a link does not replace a file that appeared meanwhile; nor does a file that is made exclusively. */
async function placeOnce(temporary: string, final: string, text: string): Promise<void> {
  try {
    await link(temporary, final);
  } catch (cause) {
    if (reasonOf(cause) === "EEXIST") throw existsFault(final, cause);
    if (!noLinks.has(reasonOf(cause))) throw cause;
    const file = await open(final, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await rm(temporary, { force: true });
}

function unwritable(path: string, cause: unknown): OperatorFault {
  const message = `${path} cannot be written (${reasonOf(cause)}).`;
  return new OperatorFault("usage", message, "make room, or name another file: --out FILE", { cause });
}

function existsFault(path: string, cause?: unknown): OperatorFault {
  return new OperatorFault(
    "usage",
    `${path} exists, and may hold the only copy of another credential.`,
    "name another file with --out, or add --force",
    { cause },
  );
}

export function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}
