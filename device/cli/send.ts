import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";

import { type Command, Option } from "commander";
import * as z from "zod/mini";

import { errorCode } from "../adapters/durable-file.ts";
import { lockHome } from "../adapters/home-lock.ts";
import { Device } from "../device.ts";
import { DeviceError, isDeviceError } from "../device-error.ts";
import type { Flushed, Reading, Sent } from "../readings/reading.ts";
import { spoolReadings } from "../readings/spooling.ts";
import { StateCell } from "../state/state-cell.ts";
import { CommandError } from "./command-error.ts";
import { type Home, openHome, withDevice } from "./home.ts";

const optionsSchema = z.object({
  value: z.optional(z.string()),
  name: z.optional(z.string()),
  unit: z.optional(z.string()),
  whenFull: z.enum(["drop-oldest", "refuse"]),
  spoolOnly: z.optional(z.boolean()),
});
type SendOptions = z.infer<typeof optionsSchema>;

/** As it is written down: what is in it is judged when it is stored. */
const writtenSchema = z.strictObject({
  time: z.optional(z.union([z.number(), z.string()])),
  name: z.optional(z.string()),
  unit: z.optional(z.string()),
  value: z.optional(z.union([z.number(), z.string(), z.boolean()])),
  sum: z.optional(z.number()),
  data: z.optional(z.record(z.string(), z.unknown())),
});

/** What became of readings that could not be sent now. */
type Waiting = { readonly code: string; readonly why: string };

export function registerSend(program: Command): void {
  program
    .command("send")
    .argument("[stream]", "what the readings are of, such as energy; without it, what is stored already is sent")
    .argument("[file]", "readings as JSON: one a line, or one array; - or nothing: standard input")
    .summary("store readings, and send what is stored")
    .description(
      "Stores readings durably, all or none of what is handed in, and sends what is stored, oldest first. Where that cannot be now, they stay stored: do not hand them in again.\n" +
        "While another process works in the home, as `run` does, they are stored and that process sends them.\n" +
        "A reading has at least one of value, sum and data (an object), and may have name, unit and time (Unix seconds, or ISO 8601 with a zone).",
    )
    .option("--value <value>", "one reading: a number, true or false, or text")
    .option("--name <name>", "its name")
    .option("--unit <unit>", "its unit")
    .addOption(
      new Option("--when-full <what>", "where there is no room: the oldest readings go, or these are refused")
        .choices(["drop-oldest", "refuse"])
        .default("drop-oldest"),
    )
    .option("--spool-only", "store them and send nothing")
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  $ sealpost-device send energy --name load --unit W --value 230.5\n" +
        "  $ sealpost-device send energy today.ndjson --when-full refuse\n" +
        '  $ echo \'{"name":"load","unit":"W","value":230.5}\' | sealpost-device send energy --spool-only\n' +
        "  $ sealpost-device send",
    )
    .action(async (stream: string | undefined, file: string | undefined, given: unknown, command: Command) => {
      const options = optionsSchema.parse(given);
      if (stream === undefined) {
        if (options.spoolOnly || options.value !== undefined) throw new CommandError("usage", "Missing: the stream");
        await withDevice(command, async (device, { output }) => {
          const flushed = await device.flushReadings();
          output.result(flushedLines(flushed), flushed);
        });
        return;
      }
      const home = openHome(command);
      const sent = await store(home, stream, options, file);
      if (options.spoolOnly) {
        home.output.result(storedLines(stream, sent), sent);
        return;
      }
      const delivery = await deliver(home);
      const lines = "why" in delivery ? [`They wait: ${delivery.why}.`] : flushedLines(delivery);
      const json = "why" in delivery ? { ...sent, waiting: delivery } : { ...sent, ...delivery };
      home.output.result([...storedLines(stream, sent), ...lines], json);
    });
}

async function store({ ports }: Home, stream: string, options: SendOptions, file: string | undefined): Promise<Sent> {
  const { ended, bootTime } = (await StateCell.load(ports.state)).enrolled;
  if (ended) throw new DeviceError(ended, "");
  const records = await readRecords(options, file);
  const { uptime } = ports;
  const boot = { id: await uptime.bootId(), seconds: () => uptime.seconds() };
  const given = { stream, records, whenFull: options.whenFull };
  return spoolReadings(given, { spool: ports.readings, boot, known: bootTime });
}

/**
 * The readings are stored, so that they cannot be sent now is no failure of the command: whoever ran it again would hand them in twice.
 * @throws DeviceError for a device that has ended
 */
async function deliver(home: Home): Promise<Flushed | Waiting> {
  try {
    const unlock = await lockHome(home.folder);
    try {
      return await (await Device.open({ ports: home.ports, options: home.options })).flushReadings();
    } finally {
      await unlock();
    }
  } catch (error) {
    if (!isDeviceError(error) || error.code === "revoked" || error.code === "gone") throw error;
    const busy = "another process works in this home; `run` sends them, and else `sealpost-device send` does";
    return { code: error.code, why: error.code === "home-busy" ? busy : error.message };
  }
}

/** @throws CommandError `usage` · `input-unreadable`; DeviceError `argument-invalid` */
async function readRecords({ value, name, unit }: SendOptions, file: string | undefined): Promise<readonly Reading[]> {
  if (value !== undefined) {
    if (file !== undefined) throw new CommandError("usage", "Give --value or a file, not both");
    return [{ value: parseValue(value), ...(name !== undefined && { name }), ...(unit !== undefined && { unit }) }];
  }
  if (name !== undefined || unit !== undefined) throw new CommandError("usage", "--name and --unit go with --value");
  return parseRecords(file === undefined || file === "-" ? await text(process.stdin) : await readInput(file));
}

async function readInput(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const code = errorCode(cause);
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : (code ?? "");
    throw new CommandError("input-unreadable", `The readings cannot be read: ${file}, ${why}`, { cause });
  }
}

function parseValue(given: string): number | string | boolean {
  if (given === "true" || given === "false") return given === "true";
  const number = Number(given);
  return given.trim() !== "" && Number.isFinite(number) ? number : given;
}

/** One array, or an object a line. */
function parseRecords(input: string): readonly Reading[] {
  const content = input.replace(/^\ufeff/, "");
  if (content.trimStart().startsWith("[")) {
    const array = z.array(z.unknown()).safeParse(parseAt("the input", content));
    return array.success ? array.data.map((record, index) => toReading(`record ${index + 1}`, record)) : [];
  }
  return content.split("\n").flatMap((line, index) => {
    const where = `line ${index + 1}`;
    return line.trim() === "" ? [] : [toReading(where, parseAt(where, line))];
  });
}

function parseAt(where: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new DeviceError("argument-invalid", `${where} is not JSON`);
  }
}

function toReading(where: string, record: unknown): Reading {
  const parsed = writtenSchema.safeParse(record);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const member = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path.join(".");
    throw new DeviceError("argument-invalid", `${member || "it"} is missing or not allowed (${where})`);
  }
  const { time, ...rest } = parsed.data;
  return time === undefined ? rest : { ...rest, time: typeof time === "number" ? time : toSeconds(where, time) };
}

/** Without a zone it would be that of this machine, of which nobody knows anything later. */
function toSeconds(where: string, time: string): number {
  const milliseconds = /(?:Z|[+-]\d\d:\d\d)$/.test(time) ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(milliseconds))
    throw new DeviceError("argument-invalid", `time is not ISO 8601 with a zone (${where})`);
  return milliseconds / 1_000;
}

function storedLines(stream: string, { stored, dropped }: Sent): string[] {
  const lost = dropped > 0 ? `, and dropped ${count(dropped)} that ${dropped === 1 ? "was" : "were"} older` : "";
  return [`Stored ${count(stored)} of ${stream}${lost}.`];
}

function flushedLines({ sent, refused, unknown }: Flushed): string[] {
  return [
    `Sent ${count(sent)}.`,
    ...(refused > 0 ? [`The service refused ${count(refused)} for good.`] : []),
    ...(unknown > 0 ? [`What became of ${count(unknown)} nobody knows any more.`] : []),
  ];
}

function count(records: number): string {
  return `${records} reading${records === 1 ? "" : "s"}`;
}
