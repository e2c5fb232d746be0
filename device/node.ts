/** Adapters that need Node: files, TLS with a CA of one's own, and messages with the smallest head. */
export { fileFirmwareSlots, type FileFirmwareSlots } from "./adapters/file-firmware-slots.ts";
export { fileKeyStore } from "./adapters/file-key-store.ts";
export { fileReadingSpool } from "./adapters/file-reading-spool.ts";
export { fileStateStore } from "./adapters/file-state-store.ts";
export { lockHome } from "./adapters/home-lock.ts";
export { httpsBootstrapTransport } from "./adapters/https-bootstrap-transport.ts";
export { nodeUptime } from "./adapters/node-uptime.ts";
export { nodeMessageTransport } from "./adapters/node-message-transport.ts";
