export { Device, type DeviceProfile, type FirmwareReport } from "./device.ts";
export { DeviceError, type DeviceErrorCode, deviceErrors, isDeviceError } from "./device-error.ts";
export type { DeviceStatus, UnknownFate } from "./state/device-status.ts";
export { fetchMessageTransport } from "./adapters/fetch-message-transport.ts";
export type { BootVerdict, FirmwareOffer, UpdateProgress } from "./firmware/firmware-offer.ts";
export type { DeviceOptions } from "./options.ts";
export type {
  BootstrapConnection,
  BootstrapTransport,
  DeviceKeys,
  DevicePorts,
  FirmwareSlots,
  FirmwareVersion,
  HttpAnswer,
  HttpStream,
  KeySlot,
  KeyStore,
  MessageTransport,
  SlotStatus,
  StateStore,
  Timing,
} from "./ports.ts";
export { memoryFirmwareSlots, type MemoryFirmwareSlots } from "./adapters/memory-firmware-slots.ts";
export { memoryKeyStore } from "./adapters/memory-key-store.ts";
export { memoryStateStore } from "./adapters/memory-state-store.ts";
