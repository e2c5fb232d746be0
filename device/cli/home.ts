import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";

import { type FileFirmwareSlots, fileFirmwareSlots } from "../adapters/file-firmware-slots.ts";
import { fileKeyStore } from "../adapters/file-key-store.ts";
import { fileReadingSpool } from "../adapters/file-reading-spool.ts";
import { fileStateStore } from "../adapters/file-state-store.ts";
import { lockHome } from "../adapters/home-lock.ts";
import { nodeMessageTransport } from "../adapters/node-message-transport.ts";
import { nodeUptime } from "../adapters/node-uptime.ts";
import { Device } from "../device.ts";
import type { DeviceOptions } from "../options.ts";
import type { DevicePorts, ReadingSpool, StateStore, Uptime } from "../ports.ts";
import { readGlobalOptions } from "./global-options.ts";
import { Output } from "./output.ts";

/** What every verb works with: the stores below --home, and how to speak to the user. */
export type Home = {
  readonly folder: string;
  readonly ports: DevicePorts & {
    readonly slots: FileFirmwareSlots;
    readonly readings: ReadingSpool;
    readonly uptime: Uptime;
  };
  readonly options: DeviceOptions;
  readonly output: Output;
};

/** The home as it lies there. For reading alone; whoever changes it uses `inHome`. */
export function openHome(command: Command): Home {
  const program = command.parent ?? command;
  const { home: folder, via, maxWait } = readGlobalOptions(program);
  const output = Output.of(program);
  return {
    folder,
    output,
    ports: {
      keys: fileKeyStore(join(folder, "keys")),
      state: fileStateStore(join(folder, "state.json")),
      slots: fileFirmwareSlots(join(folder, "slots")),
      readings: fileReadingSpool(join(folder, "readings")),
      uptime: nodeUptime(),
      messages: nodeMessageTransport(),
    },
    options: {
      ...(via === undefined ? {} : { via }),
      maxWaitSeconds: maxWait,
      backOff: { firstSeconds: 0.5, mostSeconds: 30 },
      onRetry: ({ seconds, why }) => output.note(`${why}; trying again in ${seconds.toFixed(1)} s`),
    },
  };
}

/** What `run` remembers, beside the device's own state. */
export function agentRecordStore(folder: string): StateStore {
  return fileStateStore(join(folder, "agent.json"));
}

/** Runs a verb with the home locked: no two commands send from one queue. A home that does not exist is not made by looking into it. */
export async function inHome(command: Command, verb: (home: Home) => Promise<void>, create = false): Promise<void> {
  const home = openHome(command);
  const unlock = create || existsSync(home.folder) ? await lockHome(home.folder) : async () => {};
  try {
    await verb(home);
  } finally {
    await unlock();
  }
}

/** Runs a verb on the bootstrapped device of the home. */
export async function withDevice(command: Command, verb: (device: Device, home: Home) => Promise<void>): Promise<void> {
  await inHome(command, async (home) => verb(await Device.open({ ports: home.ports, options: home.options }), home));
}
