export {
  CommandFailure,
  type CommandContext,
  type CommandHandler,
  type CommandHandlers,
  type HandledCommand,
  commandLater,
} from "./commands/command-handler.ts";
export { Device, type DeviceProfile, type FirmwareReport } from "./device.ts";
export { DeviceError, type DeviceErrorCode, deviceErrors, isDeviceError } from "./device-error.ts";
export type { DeviceStatus, UnknownFate } from "./state/device-status.ts";
export { fetchMessageTransport } from "./adapters/fetch-message-transport.ts";
export type { BootVerdict, FirmwareOffer, UpdateProgress } from "./firmware/firmware-offer.ts";
export type { Flushed, Reading, SendOptions, Sent } from "./readings/reading.ts";
export type { DeviceOptions } from "./options.ts";
export type {
  BootstrapConnection,
  BootstrapTransport,
  CommandMarker,
  DeviceKeys,
  DevicePorts,
  FirmwareSlots,
  FirmwareVersion,
  HttpAnswer,
  HttpStream,
  KeySlot,
  KeyStore,
  MessageTransport,
  ReadingSpool,
  SlotStatus,
  SpoolEntry,
  SpoolInput,
  SpoolStatus,
  StateStore,
  Timing,
  Uptime,
  WhenFull,
} from "./ports.ts";
export { memoryFirmwareSlots, type MemoryFirmwareSlots } from "./adapters/memory-firmware-slots.ts";
export { memoryKeyStore } from "./adapters/memory-key-store.ts";
export { memoryReadingSpool } from "./adapters/memory-reading-spool.ts";
export { memoryStateStore } from "./adapters/memory-state-store.ts";
export type { SpoolOptions } from "./adapters/spool-room.ts";
