import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { repository } from "../../local/repository.ts";
import { staticBundleBytes } from "./bundle.ts";
import { type MessageCounts, batchSize, countMessages } from "./messages.ts";

/** Figures that are the same on every machine, by name. */
type Figures = { readonly [name: string]: number | Figures };

const bundleStep = 10_000;

/** What is committed, each file made from the same counts. */
async function count(): Promise<Readonly<Record<string, Figures>>> {
  const [messages, bytes] = await Promise.all([countMessages(), staticBundleBytes()]);
  // In steps, so that it is no figure of every line that is written.
  const bundle = { "at most bytes, static, message function": Math.ceil(bytes / bundleStep) * bundleStep };
  return { "bench/exact.json": { bundle, messages }, "operator/cost/counts.json": countsForCost(messages) };
}

/** What `sealpost cost` needs of them, for one message. */
function countsForCost(messages: MessageCounts): Figures {
  const of = ({ bytes, single, batch }: MessageCounts["register"]) => ({
    decryptions: single.decryptions,
    signatures: single.signatures,
    replyBytes: bytes["RSA-OAEP-256"].reply,
    readUnits: single.readUnits,
    writeUnits: single.writeUnits,
    batchedReadUnits: batch.readUnits / batchSize,
    batchedWriteUnits: batch.writeUnits / batchSize,
  });
  return { check: of(messages["check, nothing published"]), readings: of(messages["readings, 1 record"]) };
}

/**
 * Counts anew and compares with what is committed.
 * @param accept writes what was counted
 * @returns one line for each difference
 */
export async function checkExact(accept: boolean): Promise<string[]> {
  const differences: string[] = [];
  for (const [file, counted] of Object.entries(await count())) {
    const path = join(repository, file);
    const was = flat(await readFigures(path));
    const is = flat(counted);
    for (const name of new Set([...was.keys(), ...is.keys()])) {
      const [before, now] = [was.get(name), is.get(name)];
      if (before !== now) differences.push(`${file}: ${name}: was ${before ?? "nothing"}, is ${now ?? "nothing"}`);
    }
    if (accept) await writeFile(path, `${JSON.stringify(counted, null, 2)}\n`);
  }
  return differences;
}

async function readFigures(path: string): Promise<Figures> {
  const text = await readFile(path, "utf8").catch(() => "{}");
  return JSON.parse(text);
}

function flat(figures: Figures, prefix = ""): Map<string, number> {
  return new Map(
    Object.entries(figures).flatMap(([name, value]) =>
      typeof value === "number" ? [[`${prefix}${name}`, value] as const] : [...flat(value, `${prefix}${name} / `)],
    ),
  );
}
