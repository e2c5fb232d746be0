import { isDeepStrictEqual } from "node:util";

import { problem } from "@sealpost/protocol/messages/problems.ts";
import type {
  CommandDetail,
  CommandState,
  CommandSummary,
  QueueCommandRequest,
} from "@sealpost/protocol/operator/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { Fault } from "../fault/fault.ts";
import {
  type CommandChange,
  type CommandRecord,
  argumentsOf,
  closeCommands,
  commandsOf,
  endCommands,
  parseCommand,
  queueCommand as queue,
  readCommandNumber,
  readCommands,
} from "../registry/command-items.ts";
import { type Commands, expiredOf, isFull } from "../registry/commands.ts";
import { type Device, devicePuts, readDevice } from "../registry/device.ts";
import type { DeviceEvent } from "../registry/events.ts";
import { isLiving } from "../registry/status.ts";
import type { Put } from "../store/port.ts";
import { type Answer, type Call, type Stamp, commit } from "./act.ts";
import { unknownDevice } from "./devices.ts";
import type { OperatorPorts } from "./ports.ts";
import { listPartitions } from "./shards.ts";

const unknownCommand = { problem: problem("not-found", { detail: "The device was given no command with this id." }) };

export async function queueCommand(call: Call<"queueCommand">, ports: OperatorPorts): Promise<Answer<"queueCommand">> {
  const { deviceId } = call.path;
  const { request, now, actor } = call;
  return commit(ports.store, async () => {
    const given = await findCommand(ports, deviceId, request.commandId);
    const seen = await look(ports, deviceId, call);
    if (!seen) return unknownDevice;
    if (given) {
      if (!isSame(given, request)) return otherContent;
      return { reply: { deviceId, command: await detail(ports, given, seen) }, puts: seen.puts() };
    }
    if (!isLiving(seen.device.status)) return endedDevice(seen.device);
    if (isFull(seen.change.commands)) return full;
    const { commandId, name, arguments: content = {}, validSeconds, repeatable } = request;
    const change = queue(seen.change.commands, deviceId, {
      commandId,
      name,
      arguments: JSON.stringify(content),
      ...(validSeconds === undefined ? {} : { expires: now + validSeconds }),
      ...(repeatable === undefined ? {} : { repeatable }),
      queued: now,
      queuedBy: actor,
    });
    const [record] = change.records;
    if (!record) throw new Fault("unavailable", "a command was queued and is not there");
    const command = { ...summary(record, "queued"), arguments: content };
    return { reply: { deviceId, command }, puts: seen.puts(change) };
  });
}

export async function listCommands(call: Call<"listCommands">, ports: OperatorPorts): Promise<Answer<"listCommands">> {
  const { deviceId } = call.path;
  const list = { table: "journal", ...commandsOf(deviceId), descending: true } as const;
  return commit(ports.store, async () => {
    const page = await listPartitions(ports.store, [list], call.query);
    if ("problem" in page) return page;
    const seen = await look(ports, deviceId, call);
    if (!seen) return unknownDevice;
    const { items, ...rest } = page.value;
    const commands = await Promise.all(
      items.map(async (item) => {
        const { record, state } = await present(ports, parseCommand(item), seen);
        return summary(record, state);
      }),
    );
    return { reply: { deviceId, commands, ...rest }, puts: seen.puts() };
  });
}

export async function showCommand(call: Call<"showCommand">, ports: OperatorPorts): Promise<Answer<"showCommand">> {
  const { deviceId, commandId } = call.path;
  return commit(ports.store, async () => {
    const given = await findCommand(ports, deviceId, commandId);
    const seen = await look(ports, deviceId, call);
    if (!seen) return unknownDevice;
    if (!given) return unknownCommand;
    return { reply: { deviceId, command: await detail(ports, given, seen) }, puts: seen.puts() };
  });
}

/** Takes back what the device has not got; of anything else it says what it came to. */
export async function cancelCommand(
  call: Call<"cancelCommand">,
  ports: OperatorPorts,
): Promise<Answer<"cancelCommand">> {
  const { deviceId, commandId } = call.path;
  return commit(ports.store, async () => {
    const given = await findCommand(ports, deviceId, commandId);
    const seen = await look(ports, deviceId, call);
    if (!seen) return unknownDevice;
    if (!given) return unknownCommand;
    const { record, state } = await present(ports, given, seen);
    if (state !== "queued")
      return { reply: { deviceId, command: await detail(ports, given, seen) }, puts: seen.puts() };
    const change = endCommands(seen.change.commands, [{ record, status: "cancelled" }], call.now);
    const [cancelled = record] = change.records;
    const command = { ...summary(cancelled, "cancelled"), arguments: argumentsOf(record) };
    return { reply: { deviceId, command }, puts: seen.puts(change) };
  });
}

/** A device as an operator's look leaves it: what has expired by then is stored as that, and so is what ended with its device. */
type Look = {
  readonly device: Device;
  readonly change: CommandChange;
  /** @param more on the state of `change` */
  puts(more?: CommandChange): Put[];
};

async function look(
  { store, generation }: OperatorPorts,
  deviceId: string,
  { actor, now }: Stamp,
): Promise<Look | undefined> {
  const device = await readDevice(store, deviceId, generation);
  if (!device) return undefined;
  const { commands, closing, stored } = device;
  const readopted: DeviceEvent[] = stored.window ? [] : [{ action: "device.readopted", detail: {} }];
  if (closing) {
    // Every write to a device that has ended ends its commands.
    const puts = () => devicePuts(device, device, generation, { events: readopted, actor, time: now });
    return { device, change: closeCommands(commands, closing, now), puts };
  }
  const expired = await readCommands(
    store,
    deviceId,
    expiredOf(commands, now).map(({ n }) => n),
  );
  const endings = expired.map((record) => ({ record, status: "expired" }) as const);
  const change = endCommands(commands, endings, now);
  return {
    device,
    change,
    puts: (more) => {
      const happened = [...change.events, ...(more?.events ?? [])];
      if (happened.length === 0) return [];
      const events = [...readopted, ...happened];
      const puts = [...change.puts, ...(more?.puts ?? [])];
      const after = { ...device, commands: (more ?? change).commands };
      return devicePuts(device, after, generation, { events, puts, actor, time: now });
    },
  };
}

/** By its id, before the device is read: see `present`. */
async function findCommand(
  { store }: OperatorPorts,
  deviceId: string,
  commandId: string,
): Promise<CommandRecord | undefined> {
  const n = await readCommandNumber(store, deviceId, commandId);
  if (n === undefined) return undefined;
  const [record] = await readCommands(store, deviceId, [n]);
  return record;
}

/**
 * A command that was read before its device, and its state. If the device no longer knows it as open, it ended between the two reads, and what is
 * stored of it now says how.
 */
async function present(
  { store }: OperatorPorts,
  record: CommandRecord,
  { device, change }: Look,
): Promise<{ readonly record: CommandRecord; readonly state: CommandState }> {
  const known = change.records.find(({ n }) => n === record.n) ?? record;
  if (known.end) return { record: known, state: known.end.status };
  const state = openState(change.commands, record.n);
  if (state) return { record, state };
  const [again] = await readCommands(store, device.identity.deviceId, [record.n]);
  if (!again?.end) throw new Fault("throttled", "the device changed during every read");
  return { record: again, state: again.end.status };
}

function openState({ open }: Commands, n: number): CommandState | undefined {
  const found = open.find((command) => command.n === n);
  return found && (found.delivered ? "delivered" : "queued");
}

async function detail(ports: OperatorPorts, given: CommandRecord, seen: Look): Promise<CommandDetail> {
  const { record, state } = await present(ports, given, seen);
  const output = record.end?.output;
  return {
    ...summary(record, state),
    arguments: argumentsOf(record),
    ...(output === undefined ? {} : { output: JSON.parse(output) }),
  };
}

function summary(record: CommandRecord, state: CommandState): CommandSummary {
  const { n, commandId, name, expires, repeatable, queued, queuedBy, end } = record;
  return {
    n,
    commandId,
    name,
    ...(expires === undefined ? {} : { expires }),
    ...(repeatable === undefined ? {} : { repeatable }),
    queued,
    queuedBy,
    state,
    ...(end ? { ended: end.at } : {}),
  };
}

/** Whether it is the same command that is given again. */
function isSame(record: CommandRecord, request: QueueCommandRequest): boolean {
  const { name, repeatable, queued, expires } = record;
  const validSeconds = expires === undefined ? undefined : expires - queued;
  return (
    name === request.name &&
    repeatable === request.repeatable &&
    validSeconds === request.validSeconds &&
    isDeepStrictEqual(argumentsOf(record), JSON.parse(JSON.stringify(request.arguments ?? {})))
  );
}

const otherContent = {
  problem: problem("conflict", { detail: "The device was given another command under this id; choose a new one." }),
};

const full = {
  problem: problem("commands-full", {
    detail: `${limits.commands.open} commands of the device have no end yet: cancel one, or wait for a result.`,
  }),
};

function endedDevice({ status }: Device) {
  const how = status === "revoked" ? "is revoked" : "has de-registered";
  return { problem: problem("conflict", { detail: `The device ${how} and takes no commands.` }) };
}
