import { join } from "node:path";

import * as z from "zod/mini";

import { DeviceError } from "../device-error.ts";
import { generateDeviceKeys, importDeviceKeys } from "../keys/device-keys.ts";
import type { CommandMarker, DeviceKeys, KeySlot, KeyStore } from "../ports.ts";
import { moveDurable, readDurable, removeDurable, writeDurable } from "./durable-file.ts";

const coordinate = z.string();
const privateJwkSchema = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: coordinate,
  y: coordinate,
  d: coordinate,
});
const keyFileSchema = z.object({ signing: privateJwkSchema, encryption: privateJwkSchema });

const markerSchema = z.object({ deviceId: z.string(), n: z.int(), decision: z.enum(["run", "refused"]) });

/**
 * Private JWKs (RFC 7518 §6.2.2), one file for each slot, readable by the owner alone, and the marker of commands beside them. For gateways and trials; a device with a secure element
 * has its own KeyStore. Keep the folder out of backups (delivery rule 15).
 */
export function fileKeyStore(folder: string): KeyStore {
  const fileOf = (slot: KeySlot) => join(folder, `${slot}.json`);
  const markerFile = join(folder, "marker.json");
  const load = async (slot: KeySlot): Promise<DeviceKeys | null> => {
    const text = await readDurable(fileOf(slot));
    return text === null ? null : parseKeys(text, fileOf(slot));
  };
  return {
    load,
    async create(slot) {
      const present = await load(slot);
      if (present) return present;
      const text = await exportKeys(await generateDeviceKeys(true));
      await writeDurable(fileOf(slot), text);
      return parseKeys(text, fileOf(slot));
    },
    async promote() {
      await moveDurable(fileOf("next"), fileOf("current"));
    },
    async readMarker() {
      const text = await readDurable(markerFile);
      return text === null ? null : parseMarker(text, markerFile);
    },
    async writeMarker({ deviceId, n, decision }) {
      await writeDurable(markerFile, `${JSON.stringify({ deviceId, n, decision })}\n`);
    },
    async erase() {
      await removeDurable(fileOf("next"));
      await removeDurable(fileOf("current"));
      await removeDurable(markerFile);
    },
  };
}

async function parseKeys(text: string, path: string): Promise<DeviceKeys> {
  try {
    return await importDeviceKeys(keyFileSchema.parse(JSON.parse(text)));
  } catch {
    // No cause: a parser's message may quote what it read.
    throw new DeviceError("keys-missing", `${path} is damaged`, { path });
  }
}

/** Without it nobody can tell whether a command was started. */
function parseMarker(text: string, path: string): CommandMarker {
  try {
    return markerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new DeviceError("home-broken", `${path} is damaged`, { cause, path });
  }
}

async function exportKeys({ signing, encryption }: DeviceKeys): Promise<string> {
  const [signingJwk, encryptionJwk] = await Promise.all(
    [signing, encryption].map(async ({ privateKey }) =>
      privateJwkSchema.parse(await crypto.subtle.exportKey("jwk", privateKey)),
    ),
  );
  return `${JSON.stringify({ signing: signingJwk, encryption: encryptionJwk })}\n`;
}
