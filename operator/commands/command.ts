import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { commandIdSchema, commandNameSchema } from "@sealpost/protocol/exchanges/commands.ts";
import {
  type CommandDetail,
  type CommandState,
  type QueueCommandRequest,
} from "@sealpost/protocol/operator/commands.ts";
import { type Command, InvalidArgumentError, Option } from "commander";

import { argumentsOption, devicesOption, validOption } from "../command-words.ts";
import { isoTime } from "../duration.ts";
import { OperatorFault, isOperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { durationOption, fitting, idOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import { plainJson } from "../plain-json.ts";
import type { Service } from "../service.ts";
import { type Session, openSession } from "../session.ts";
import { wholeCommandId, wholeDeviceId } from "../short-ids.ts";
import { record } from "../table.ts";

type SendOptions = {
  readonly devices?: readonly string[];
  readonly arguments?: QueueCommandRequest["arguments"];
  readonly valid?: number;
  readonly repeatable?: true;
  readonly id?: string;
};
type ShowOptions = { readonly wait?: number | true };

/** Devices that are asked for at once. */
const concurrency = 8;
/** Seconds between looks: soon at first, since many devices answer at once. */
const looks = { first: 1, most: 15 } as const;
/** Looks in a row that may fail before a wait ends. */
const mostFailures = 5;

const commandIdForm = "It is 1 to 64 letters, digits, hyphens and underscores.";
const commandIdOption = fitting(commandIdSchema, commandIdForm);
const anyDevice = "0f8e2a44-5d1c-4b53-9f0e-1c2d3e4f5a6b";

/** What a person can rely on, in each state. */
const meanings = {
  queued: "the device has not been given it",
  delivered: "the device may have it, and may have executed it",
  done: "executed",
  failed: "begun, and it failed",
  rejected: "not executed: the device has nothing that does it",
  interrupted: "begun, and perhaps partly, perhaps wholly done",
  expired: "never started: its time was over",
  cancelled: "taken back before it was delivered: not executed",
  void: "the device ended before it was delivered: not executed",
  unknown: "the device ended after it was delivered: nobody will know whether it was executed",
} as const satisfies Record<CommandState, string>;

export function addCommandCommands(program: Command): void {
  const group = program.command("command").description("what devices are told to do when they next ask");

  group
    .command("send")
    .description(
      "queue a command for a device, or for many; it is executed at most once, unless it is repeatable. Sent again under its id it is the same command",
    )
    .usage("<device id> <name> [options]\n       sealpost command send <name> --devices <file> [options]")
    .argument(
      "<words...>",
      "the device as `device list` shows it, and the command's name; with --devices the name alone",
    )
    .addOption(
      new Option("--devices <file>", "to each device of a file: a whole id a line, # begins a comment").argParser(
        devicesOption,
      ),
    )
    .addOption(
      new Option("--arguments <json>", "a JSON object; @<file> reads it from a file, - from standard input").argParser(
        argumentsOption,
      ),
    )
    .addOption(new Option("--valid <duration>", "it is not started later (default: always)").argParser(validOption))
    .option("--repeatable", "it does no harm to execute it more than once, as after a power cut")
    .addOption(new Option("--id <command id>", "its id (default: a random one)").argParser(commandIdOption))
    .addHelpText(
      "after",
      examples(
        `command send ${anyDevice} valve.close --valid 15m`,
        `command send ${anyDevice} interval.set --arguments '{"seconds":3600}' --repeatable`,
        "command send restart --devices site-7.txt --id restart-2026-11 --valid 2d",
      ),
    )
    .action(send);

  addPaging(group.command("list").description("list a device's commands, newest first"))
    .argument("<device id>", "as `device list` shows it", idOption)
    .addHelpText("after", examples(`command list ${anyDevice}`, `command list ${anyDevice} --all --json`))
    .action(list);

  group
    .command("show")
    .description("show one command: what it is, and what became of it")
    .argument("<device id>", "as `device list` shows it", idOption)
    .argument("<command id>", "as `command list` shows it", commandIdOption)
    .addOption(
      new Option("--wait [duration]", "until it has an end, at most so long (default: as long as it takes)").argParser(
        durationOption,
      ),
    )
    .addHelpText("after", examples(`command show ${anyDevice} restart-2026-11 --wait 10m`))
    .action(show);

  group
    .command("cancel")
    .description("take a command back that has not been delivered; of any other it says what it came to")
    .argument("<device id>", "as `device list` shows it", idOption)
    .argument("<command id>", "as `command list` shows it", commandIdOption)
    .addHelpText("after", examples(`command cancel ${anyDevice} restart-2026-11`))
    .action(cancel);
}

async function send(words: readonly string[], options: SendOptions, command: Command): Promise<void> {
  const { devices, valid, repeatable, id: commandId = newCommandId() } = options;
  const [device, word] = devices ? [undefined, words[0]] : words;
  const isWhole = words.length === (devices ? 1 : 2);
  const name = commandNameSchema.safeParse(word);
  if (!isWhole)
    throw wrongUsage("A command is sent to one device and has one name; with --devices give the name alone.");
  if (!name.success)
    throw wrongUsage("A command's name is up to 64 of a-z, 0-9, dots and hyphens, and begins with a letter.");
  const request: QueueCommandRequest = {
    commandId,
    name: name.data,
    ...(options.arguments === undefined ? {} : { arguments: options.arguments }),
    ...(valid === undefined ? {} : { validSeconds: valid }),
    ...(repeatable === undefined ? {} : { repeatable }),
  };
  const session = openSession(command);
  if (devices) return sendToMany(devices, request, session);
  const { service, output } = session;
  const deviceId = await wholeDeviceId(service, deviceOf(device));
  try {
    const reply = await service.ask("queueCommand", { path: { deviceId }, request });
    await output.result(reply, `Command ${commandId} (${request.name}) to device ${deviceId}: ${told(reply.command)}.`);
  } catch (error) {
    // It may have been taken all the same; only its id tells it from another one.
    if (!isOperatorFault(error) || error.code !== "unavailable") throw error;
    const { code, message, next } = error;
    throw new OperatorFault(code, message, `${next}, with --id ${commandId}: it is the same command then`, {
      cause: error,
    });
  }
}

type Row = { readonly deviceId: string } & ({ readonly command: CommandDetail } | { readonly error: OperatorFault });

async function sendToMany(
  devices: readonly string[],
  request: QueueCommandRequest,
  { service, output }: Session,
): Promise<void> {
  const { commandId } = request;
  output.note(
    `Command ${commandId} (${request.name}) to ${devices.length} devices. Sent again with this --id it goes on.`,
  );
  const rows = await queueForAll(devices, request, service, (done) => output.step("Sending", done / devices.length));
  const lines = rows.map((row) =>
    "error" in row
      ? [row.deviceId, "-", "-", `${row.error.code}: ${row.error.message}`]
      : [row.deviceId, row.command.state, String(row.command.n), "-"],
  );
  const shown = rows.map((row) => {
    if (!("error" in row)) return row;
    const { code, message, next } = row.error;
    return { deviceId: row.deviceId, error: { code, message, next } };
  });
  await output.result({ commandId, devices: shown }, output.table(["DEVICE", "STATE", "N", "ERROR"], lines));
  const faults = rows.flatMap((row) => ("error" in row ? [row.error] : []));
  const [first] = faults;
  if (!first) return;
  const isOneReason = faults.length === rows.length && faults.every(({ code }) => code === first.code);
  throw new OperatorFault(
    isOneReason ? first.code : "incomplete",
    `${faults.length} of ${rows.length} devices have not been given the command, or did not say so.`,
    `see what each row says, then send it again with --id ${commandId}: who has it is not given it twice`,
  );
}

/** A row a device, in the order of the file. What is wrong for all of them ends it: nobody is asked in vain. */
async function queueForAll(
  devices: readonly string[],
  request: QueueCommandRequest,
  service: Service,
  progress: (done: number) => void,
): Promise<readonly Row[]> {
  const rows = new Map<string, Row>();
  let fatal: OperatorFault | undefined;
  const left = devices.values();
  const work = async () => {
    for (const deviceId of left) {
      try {
        if (fatal) throw fatal;
        rows.set(deviceId, await service.ask("queueCommand", { path: { deviceId }, request }));
      } catch (error) {
        if (!isOperatorFault(error)) throw error;
        if (error.code === "not-authorised" || error.code === "not-set-up") fatal = error;
        rows.set(deviceId, { deviceId, error });
      }
      progress(rows.size);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, devices.length) }, work));
  return devices.flatMap((deviceId) => rows.get(deviceId) ?? []);
}

async function list(id: string, options: PagingOptions, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const deviceId = await wholeDeviceId(service, id);
  const { items, cursor } = await collect(async (query) => {
    const { commands, ...rest } = await service.ask("listCommands", { path: { deviceId }, query });
    return { items: commands, ...rest };
  }, options);
  const rows = items.map(({ n, commandId, name, state, queued, expires, ended }) => [
    String(n),
    commandId,
    name,
    state,
    isoTime(queued),
    expires === undefined ? "-" : isoTime(expires),
    ended === undefined ? "-" : isoTime(ended),
  ]);
  await output.result(
    { deviceId, commands: items, ...(cursor === undefined ? {} : { cursor }) },
    rows.length > 0
      ? output.table(["N", "COMMAND", "NAME", "STATE", "QUEUED", "EXPIRES", "ENDED"], rows)
      : "No commands. `sealpost command send` gives one.",
  );
  const more = moreNote(cursor);
  if (more) output.note(more);
}

async function show(device: string, id: string, { wait }: ShowOptions, command: Command): Promise<void> {
  const session = openSession(command);
  const { service, output } = session;
  const deviceId = await wholeDeviceId(service, device);
  const path = { deviceId, commandId: await wholeCommandId(service, deviceId, id) };
  const reply =
    wait === undefined
      ? await service.ask("showCommand", { path })
      : await untilEnd(path, wait === true ? Infinity : wait, session);
  await output.result(reply, text(deviceId, reply.command));
  if (wait === undefined || !isOpen(reply.command)) return;
  throw new OperatorFault(
    "incomplete",
    `Command ${path.commandId} has no end yet: ${told(reply.command)}.`,
    "wait again: a device asks when it next speaks",
  );
}

async function untilEnd(path: { deviceId: string; commandId: string }, seconds: number, { service, output }: Session) {
  const deadline = Date.now() + seconds * 1000;
  let failures = 0;
  for (let between: number = looks.first; ; between = Math.min(looks.most, between * 1.5)) {
    const left = () => deadline - Date.now();
    try {
      const reply = await service.ask("showCommand", { path });
      failures = 0;
      if (!isOpen(reply.command) || left() <= 0) return reply;
      output.step(`Waiting: ${reply.command.state}`);
    } catch (error) {
      failures += 1;
      const isPassing = isOperatorFault(error) && error.code === "unavailable";
      if (!isPassing || failures >= mostFailures || left() <= 0) throw error;
    }
    await pause(Math.max(0, Math.min(between * 1000, left())));
  }
}

async function cancel(device: string, id: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const deviceId = await wholeDeviceId(service, device);
  const commandId = await wholeCommandId(service, deviceId, id);
  const reply = await service.ask("cancelCommand", { path: { deviceId, commandId } });
  const { state } = reply.command;
  const isCancelled = state === "cancelled";
  await output.result(
    reply,
    isCancelled ? `Command ${commandId} is cancelled: it is not executed.` : text(deviceId, reply.command),
  );
  if (isCancelled) return;
  throw new OperatorFault(
    "refused",
    `Command ${commandId} was not cancelled: ${told(reply.command)}.`,
    isOpen(reply.command) ? "see what becomes of it: `sealpost command show … --wait`" : "it needs nothing more",
  );
}

function text(deviceId: string, command: CommandDetail): string {
  const { expires, ended, output, n, commandId, name, state, repeatable, queued, queuedBy } = command;
  return record({
    command: commandId,
    device: deviceId,
    n,
    name,
    arguments: plainJson(command.arguments),
    repeatable: repeatable ? "yes" : "no: at most once",
    queued: `${isoTime(queued)} by ${queuedBy}`,
    expires: expires === undefined ? "never" : isoTime(expires),
    state: `${state}: ${meanings[state]}`,
    ended: ended === undefined ? undefined : isoTime(ended),
    output: output === undefined ? undefined : plainJson(output),
  });
}

function told({ state }: CommandDetail): string {
  return `${state} (${meanings[state]})`;
}

function isOpen({ state }: CommandDetail): boolean {
  return state === "queued" || state === "delivered";
}

/** 128 bits. None begins as an option does. */
function newCommandId(): string {
  const id = randomBytes(16).toString("base64url");
  return id.startsWith("-") ? newCommandId() : id;
}

function deviceOf(word = ""): string {
  try {
    return idOption(word);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw wrongUsage(`The device: ${error.message}`);
  }
}

function wrongUsage(message: string): OperatorFault {
  return new OperatorFault("usage", message, "--help lists options and shows examples");
}
