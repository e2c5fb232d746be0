import { once } from "node:events";
import { type Stats, constants } from "node:fs";
import { lstat, rename, rm } from "node:fs/promises";
import { type Server, connect, createServer } from "node:net";
import { join } from "node:path";

import { createOnly, errorCode, fileFault, readOnly, withFile } from "./durable-file.ts";
import { type ProcessMark, judgeProcess, parseMark } from "./process-mark.ts";

/** A process that wants the home, or has it. */
export type Entry = {
  /** Says from now on that the home is taken. */
  hold(): void;
  withdraw(): Promise<void>;
};

/** What is known of another's living entry. Who only asks, does not answer, or shows a file does not say that it holds the home, and may. */
export type Other = { readonly holds: boolean; readonly mark: ProcessMark | null };

/** Longest path of a socket, in bytes: sun_path holds 108 on Linux and 104 elsewhere, with a zero at the end. */
const longestSocketPath = 103;
/** How long a living process may take to say what it does. */
const answerMilliseconds = 1_000;

/** An entry that is being made for longer than this is left over from a process that is gone. */
const makingMilliseconds = 60_000;

/** The entries of this process that are files, for systems that do not say when a process started. */
const ownFiles = new Set<string>();

/**
 * Puts an entry of this process into the folder. It appears complete: whoever sees its name can tell whether its process lives.
 * @returns null when it was cleared away before it appeared; try again under another name
 */
export async function publishEntry(folder: string, name: string, mark: ProcessMark): Promise<Entry | null> {
  const beside = `.${name}`;
  const entry = (await listenAt(folder, beside, mark)) ?? (await writeAt(folder, beside, name, mark));
  try {
    await rename(join(folder, beside), join(folder, name));
  } catch (cause) {
    entry.close();
    if (errorCode(cause) === "ENOENT") return null;
    await rm(join(folder, beside), { force: true });
    throw fileFault(folder, cause);
  }
  return {
    hold: entry.hold,
    async withdraw() {
      // One that stays is that of a process that is gone, once this one is.
      await rm(join(folder, name), { force: true }).catch(() => {});
      entry.close();
    },
  };
}

/**
 * Looks at another's entry, and clears it away when its process is gone. No name is ever used twice, so what is cleared away is what was
 * looked at.
 * @returns null for an entry whose process is gone
 */
export async function readEntry(folder: string, name: string, own: ProcessMark): Promise<Other | null> {
  const path = join(folder, name);
  const found = await statEntry(path);
  if (!found) return null;
  // What is being made is left to its maker, unless that takes too long to be alive; if it is not, it tries again.
  if (name.startsWith(".") && Math.abs(Date.now() - found.mtimeMs) < makingMilliseconds) return null;
  const other = found.isSocket() ? await askSocket(folder, name) : await readFileEntry(path, name, own);
  if (!other) await rm(path, { force: true });
  return other;
}

async function statEntry(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw fileFault(path, cause);
  }
}

type Opened = { readonly hold: () => void; readonly close: () => void };

/**
 * A listening socket: the kernel drops it with its process, whatever ends that, and anyone who sees the file can ask it, from any container.
 * @returns null where the file system has no sockets, as FAT; systems have many codes to say so
 */
async function listenAt(folder: string, name: string, mark: ProcessMark): Promise<Opened | null> {
  let holds = false;
  const server = createServer((socket) => {
    socket.on("error", () => {}).end(JSON.stringify({ ...mark, holds }), () => socket.destroy());
    socket.unref();
  });
  try {
    await atSocketPath(folder, name, (path) => listening(server, path));
  } catch {
    // What is wrong besides, as a full disk, the file says that is made instead.
    return null;
  }
  // Whoever holds a home may still end; a connection that cannot be taken is one that found it alive.
  server.on("error", () => {}).unref();
  return {
    hold() {
      holds = true;
    },
    close() {
      server.close();
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // `exclusive`: the workers of a cluster would share one.
    server.once("error", reject).listen({ path, exclusive: true }, resolve);
  });
}

async function askSocket(folder: string, name: string): Promise<Other | null> {
  return atSocketPath(folder, name, async (path) => {
    try {
      const text = await readSocket(path);
      return { holds: text.includes('"holds":true'), mark: parseMark(text) };
    } catch (cause) {
      const code = errorCode(cause);
      if (code === "ECONNREFUSED" || code === "ENOENT") return null;
      if (code === "EACCES") throw fileFault(join(folder, name), cause);
      // A full queue (EAGAIN), or a reset: there was a process at the other end.
      return { holds: false, mark: null };
    }
  });
}

/** Everything that comes until the other end closes, or too much time has passed. */
async function readSocket(path: string): Promise<string> {
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(), answerMilliseconds);
  let text = "";
  socket.on("data", (piece: Buffer) => void (text += piece.toString()));
  try {
    await once(socket, "close");
    return text;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs the work with a path that is short enough for a socket: Linux names an open folder by its number. */
async function atSocketPath<T>(folder: string, name: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= longestSocketPath || process.platform !== "linux") return work(path);
  return withFile(folder, constants.O_RDONLY | constants.O_DIRECTORY, (opened) =>
    work(`/proc/self/fd/${opened.fd}/${name}`),
  );
}

/** Where there are no sockets: which process it is, for others to look for. */
async function writeAt(folder: string, beside: string, name: string, mark: ProcessMark): Promise<Opened> {
  try {
    // What cannot make a socket may leave something else under its name.
    await rm(join(folder, beside), { force: true });
    await withFile(join(folder, beside), createOnly, (file) => file.writeFile(JSON.stringify(mark)));
  } catch (cause) {
    await rm(join(folder, beside), { force: true }).catch(() => {});
    throw fileFault(folder, cause);
  }
  ownFiles.add(name);
  return {
    hold() {},
    close() {
      ownFiles.delete(name);
    },
  };
}

/** What is no mark was cut off by a power cut: no living process shows one that is not whole. */
async function readFileEntry(path: string, name: string, own: ProcessMark): Promise<Other | null> {
  let text: string;
  try {
    text = await withFile(path, readOnly, (file) => file.readFile("utf8"));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw fileFault(path, cause);
  }
  const mark = parseMark(text);
  if (!mark || (await judgeProcess(mark, own, ownFiles.has(name))) === "gone") return null;
  return { holds: false, mark };
}
