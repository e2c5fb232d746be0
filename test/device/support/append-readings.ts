import { fileReadingSpool } from "../../../device/adapters/file-reading-spool.ts";

/** A process that appends so many entries of one record under its own name. */
const [folder = "", name = "", count = "0", mostBytes] = process.argv.slice(2);
const spool = fileReadingSpool(folder, mostBytes === undefined ? {} : { mostBytes: Number(mostBytes) });
let dropped = 0;
for (let at = 0; at < Number(count); at += 1) {
  const answer = await spool.append([{ stream: "load", records: 1, content: `${name} ${at}` }], "drop-oldest");
  dropped += answer.dropped;
}
process.stdout.write(`${dropped}\n`);
