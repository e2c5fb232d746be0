import { type Device, type DeviceStatus, deviceStatuses } from "@sealpost/protocol/operator/devices.ts";
import { type Command, Option } from "commander";

import { isoTime } from "../duration.ts";
import { examples } from "../help.ts";
import { idOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import { openSession } from "../session.ts";
import { wholeDeviceId } from "../short-ids.ts";
import { record } from "../table.ts";

type ListOptions = PagingOptions & { readonly status?: DeviceStatus };

export function addDeviceCommands(program: Command): void {
  const device = program.command("device").description("the devices that the service knows");

  addPaging(device.command("list").description("list devices"))
    .addOption(new Option("--status <status>", "only those").choices(deviceStatuses))
    .addHelpText("after", examples("device list", "device list --status registered --all --json"))
    .action(list);

  device
    .command("show")
    .description("show one device")
    .argument("<device id>", "as `device list` shows it", idOption)
    .addHelpText("after", examples("device show 0f8e2a44-5d1c-4b53-9f0e-1c2d3e4f5a6b"))
    .action(show);

  device
    .command("revoke")
    .description("refuse a device for ever: its very next message is answered with `revoked`; this cannot be undone")
    .argument("<device id>", "as `device list` shows it", idOption)
    .addHelpText("after", examples("device revoke 0f8e2a44-5d1c-4b53-9f0e-1c2d3e4f5a6b"))
    .action(revoke);
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { items, cursor } = await collect(async (page) => {
    const { devices, ...rest } = await service.ask("listDevices", { query: { ...page, status: options.status } });
    return { items: devices, ...rest };
  }, options);
  const headings = ["DEVICE", "STATUS", "SERIAL NUMBER", "MODEL", "HARDWARE", "FIRMWARE", "UPDATE", "CREATED"];
  const id = output.ids(items.map(({ deviceId }) => deviceId));
  const rows = items.map((device) => [
    id(device.deviceId),
    device.status,
    device.serialNumber,
    device.registration?.model ?? "-",
    device.registration?.hardware ?? "-",
    device.registration?.firmware.version ?? "-",
    updateText(device) ?? "-",
    isoTime(device.created),
  ]);
  await output.result(
    { devices: items, ...(cursor === undefined ? {} : { cursor }) },
    rows.length > 0 ? output.table(headings, rows) : emptyText(options),
  );
  const more = moreNote(cursor);
  if (more) output.note(more);
}

async function show(id: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { device } = await service.ask("showDevice", { path: { deviceId: await wholeDeviceId(service, id) } });
  const { registration, window } = device;
  await output.result(
    { device },
    record({
      device: device.deviceId,
      status: device.status,
      "serial number": device.serialNumber,
      credential: device.credentialId,
      created: isoTime(device.created),
      model: registration?.model,
      hardware: registration?.hardware,
      firmware: registration && `${registration.firmware.version} (counter ${registration.firmware.counter})`,
      capabilities: registration?.capabilities.join(" ") || undefined,
      registered: registration && isoTime(registration.at),
      update: updateText(device),
      "last seen": window.lastSeen === undefined ? "never" : isoTime(window.lastSeen),
      messages: `accepted to ${window.high}, acknowledged to ${window.ack}`,
      "signing key": device.signingKey,
      "encryption key": device.encryptionKey,
      receipt: device.receipt && "signed; see --json",
    }),
  );
}

async function revoke(id: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { device } = await service.ask("revokeDevice", { path: { deviceId: await wholeDeviceId(service, id) } });
  await output.result(
    { device },
    `Device ${device.deviceId} (serial number ${device.serialNumber}) is revoked, for ever.`,
  );
}

function emptyText({ status }: ListOptions): string {
  return status === undefined ? "No devices. `sealpost credential create` begins one." : `No devices are ${status}.`;
}

function updateText({ update }: Device): string | undefined {
  if (!update) return undefined;
  const reason = update.reason === undefined ? "" : ` (${update.reason})`;
  return `${update.state} ${update.counter}${reason}`;
}
