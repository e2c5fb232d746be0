import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { byFolder, type Store, writeDurably } from "./store.ts";
import { isToken, problemStatus } from "./uplink.ts";

/**
 * Writes what the folder's carrier can bring somewhere: unanswered tokens, a line each, and the replies to tokens that came in a folder, each behind
 * the digest of its token. Tokens stay in the store until they are answered; replies leave it.
 * @param name of this store; it does not take up again what it wrote itself
 */
export async function exportTo(store: Store, folder: string, name: string) {
  const write = (kind: string, lines: readonly string[]) =>
    lines.length === 0
      ? undefined
      : writeDurably(folder, join(folder, `${name}-${Date.now()}.${kind}`), lines.map((line) => `${line}\n`).join(""));
  const tokens = await Promise.all(
    store.tokens().map(async (entry) => (entry.box === byFolder ? undefined : store.read("tokens", entry))),
  );
  const carried = store.replies().filter(({ box }) => box === byFolder);
  const replies = await Promise.all(
    carried.map(async (entry) => `${entry.digest} ${(await store.read("replies", entry)) ?? ""}`),
  );
  const held = tokens.filter((token) => token !== undefined);
  await write("tokens", held);
  await write("replies", replies);
  for (const entry of carried) await store.drop("replies", entry);
  return { tokens: held.length, replies: replies.length };
}

/** Takes up what another store wrote there, and removes each file once all of it is kept. */
export async function importFrom(store: Store, folder: string, name: string) {
  const counts = { tokens: 0, replies: 0, refused: 0 };
  for (const file of (await readdir(folder)).toSorted()) {
    const isOwn = file.startsWith(`${name}-`) && /^\d+\.\w+$/u.test(file.slice(name.length + 1));
    if (isOwn || !/\.(?:tokens|replies)$/u.test(file)) continue;
    const lines = (await readFile(join(folder, file), "latin1")).split("\n").filter((line) => line !== "");
    let isKept = true;
    for (const line of lines) {
      const [digest = "", ...reply] = line.split(" ");
      const text = reply.join(" ");
      if (file.endsWith(".tokens") && isToken(line)) {
        if (await store.take(line, byFolder)) counts.tokens += 1;
        else isKept = false;
      } else if (isToken(text) || problemStatus(text) !== undefined) {
        await store.answer(digest, text);
        counts.replies += 1;
      } else counts.refused += 1;
    }
    if (isKept) await rm(join(folder, file));
  }
  return counts;
}
