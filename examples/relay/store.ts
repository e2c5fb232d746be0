import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** What a file's name says of the token in it, or of the token that the reply in it answers. */
export type Entry = {
  /** When it came; sorts as text. */
  readonly order: string;
  /** Whose token it is: the mailbox in the URL, `+` for one that came in a folder, or nothing. */
  readonly box: string;
  readonly digest: string;
  readonly bytes: number;
};
type Kind = "tokens" | "replies";
export type Store = Awaited<ReturnType<typeof openStore>>;

/** Marks what came in a folder: its reply goes back in one. */
export const byFolder = "+";

/** A device can open the replies to its last 8 copies of a message, and no others. */
const copiesInBox = 8;
/** No service takes a token that is older. */
const keptMilliseconds = 7 * 24 * 60 * 60 * 1_000;
/** What a file takes on a disk at least. */
const blockBytes = 4_096;

export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/**
 * Tokens and replies, a file each, in a folder that several processes may use. A file is there whole or not at all, also after a power cut: written
 * beside, synced, renamed, and the folder synced, before anybody is told.
 */
export async function openStore(folder: string, mostBytes: number) {
  const place = (kind: Kind | "new") => join(folder, kind);
  const index = { tokens: new Map<string, Entry>(), replies: new Map<string, Entry>() };
  let bytes = 0;
  let count = 0;
  for (const kind of ["new", "tokens", "replies"] as const) await mkdir(place(kind), { recursive: true });
  for (const name of await readdir(place("new"))) {
    const path = join(place("new"), name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    // Left by a power cut; what is younger may be another process's.
    if (mtimeMs < Date.now() - 3_600_000) await rm(path, { force: true });
  }

  const pathOf = (kind: Kind, { order, box, digest }: Entry) => join(place(kind), `${order}.${box}.${digest}`);
  const inOrder = (kind: Kind, holds: (entry: Entry) => boolean = () => true) =>
    [...index[kind].values()].filter(holds).toSorted((a, b) => (a.order < b.order ? -1 : 1));
  const nextOrder = () => {
    count = (count + 1) % 1_000_000;
    return `${String(Date.now()).padStart(15, "0")}${String(count).padStart(6, "0")}`;
  };

  const know = (kind: Kind, entry: Entry) => {
    bytes += entry.bytes - (index[kind].get(entry.digest)?.bytes ?? 0);
    index[kind].set(entry.digest, entry);
  };
  const forget = (kind: Kind, entry: Entry) => {
    if (index[kind].delete(entry.digest)) bytes -= entry.bytes;
  };
  const write = async (kind: Kind, entry: Omit<Entry, "bytes">, text: string) => {
    const sized = { ...entry, bytes: Math.max(text.length, blockBytes) };
    await writeDurably(place("new"), pathOf(kind, sized), text);
    know(kind, sized);
  };
  const drop = async (kind: Kind, entry: Entry) => {
    forget(kind, entry);
    await rm(pathOf(kind, entry), { force: true });
  };

  /** Takes up what other processes did, and drops what is too old to be of use. */
  const refresh = async () => {
    for (const kind of ["replies", "tokens"] as const) {
      const before = inOrder(kind);
      const names = new Set(await readdir(place(kind)));
      for (const entry of before) if (!names.has(`${entry.order}.${entry.box}.${entry.digest}`)) forget(kind, entry);
      for (const name of names) {
        const [order = "", box = "", digest = ""] = name.split(".");
        if (index[kind].has(digest)) continue;
        const size = await stat(join(place(kind), name)).then(
          (file) => file.size,
          () => undefined,
        );
        if (size !== undefined) know(kind, { order, box, digest, bytes: Math.max(size, blockBytes) });
      }
      const oldest = String(Date.now() - keptMilliseconds).padStart(15, "0");
      const isOver = ({ order, digest }: Entry) => order < oldest || (kind === "tokens" && index.replies.has(digest));
      for (const entry of inOrder(kind, isOver)) await drop(kind, entry);
    }
  };

  const makeRoom = async (needed: number): Promise<boolean> => {
    if (bytes + needed > mostBytes) await refresh();
    // A reply can be had again for its token; a token that is lost costs its device a try.
    for (const reply of bytes + needed > mostBytes ? inOrder("replies") : []) {
      if (bytes + needed > mostBytes) await drop("replies", reply);
    }
    return bytes + needed <= mostBytes;
  };

  await refresh();
  return {
    refresh,
    drop,
    tokens: () => inOrder("tokens"),
    replies: () => inOrder("replies"),
    knows: (digest: string) => index.tokens.has(digest) || index.replies.has(digest),
    counts: () => ({ tokens: index.tokens.size, replies: index.replies.size, bytes }),
    /** @returns undefined if another process was faster, and it is gone */
    read: (kind: Kind, entry: Entry) => readFile(pathOf(kind, entry), "utf8").catch(() => undefined),

    /** @returns false if there is no room */
    async take(token: string, box: string): Promise<boolean> {
      const digest = digestOf(token);
      if (index.tokens.has(digest)) return true;
      if (!(await makeRoom(Math.max(token.length, blockBytes)))) return false;
      const copies = isNamed(box) ? inOrder("tokens", (entry) => entry.box === box) : [];
      for (const oldest of copies.slice(0, Math.max(0, copies.length - copiesInBox + 1))) await drop("tokens", oldest);
      await write("tokens", { order: nextOrder(), box, digest }, token);
      return true;
    },

    /** The reply to that very token; else the newest of the mailbox, which may answer another copy of the same message. */
    replyFor(digest: string, box: string): Entry | undefined {
      const exact = index.replies.get(digest);
      return exact ?? (isNamed(box) ? inOrder("replies", (entry) => entry.box === box).at(-1) : undefined);
    },

    /** Keeps the answer to a token, then forgets the token. Of no use is the one to a token that was dropped meanwhile. */
    async answer(digest: string, text: string): Promise<void> {
      const entry = index.tokens.get(digest);
      if (!entry) return;
      await write("replies", entry, text);
      await drop("tokens", entry);
    },

    /** It was fetched; with that, older copies in its mailbox are of no use to anybody. */
    async given(entry: Entry): Promise<void> {
      const isOlder = ({ box, order }: Entry) => isNamed(box) && box === entry.box && order < entry.order;
      for (const kind of ["replies", "tokens"] as const) {
        for (const older of inOrder(kind, isOlder)) await drop(kind, older);
      }
      await drop("replies", entry);
    },
  };
}

function isNamed(box: string): boolean {
  return box !== "" && box !== byFolder;
}

/** @param beside a folder on the same file system, for the file until it is whole */
export async function writeDurably(beside: string, path: string, text: string): Promise<void> {
  const unfinished = join(beside, `unfinished-${randomUUID()}`);
  const file = await open(unfinished, "wx");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  const folder = await open(join(path, ".."), "r");
  await folder.sync().finally(() => folder.close());
}
