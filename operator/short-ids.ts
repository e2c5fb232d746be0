import { idSchema } from "@sealpost/protocol/operator/act.ts";

import { OperatorFault, isOperatorFault } from "./fault.ts";
import { collect } from "./paging.ts";
import type { Service } from "./service.ts";

/** What is typed and read: enough of a UUID to tell a fleet's apart. */
const shortest = 8;

/** Ids as they are shown beside each other on a terminal: each as short as tells it from the others. */
export function shortIds(ids: readonly string[]): (id: string) => string {
  const all = [...new Set(ids.filter((id) => idSchema.safeParse(id).success))];
  let length = shortest;
  while (new Set(all.map((id) => id.slice(0, length))).size < all.length) length += 1;
  return (id) => (all.includes(id) ? id.slice(0, length) : id);
}

/**
 * The id that begins so.
 * @param list asks for the ids that do; two tell that there are several
 * @throws OperatorFault `usage` unless there is exactly one
 */
async function wholeId(
  text: string,
  list: (query: { readonly id: string; readonly limit: "2" }) => Promise<readonly string[]>,
): Promise<string> {
  if (idSchema.safeParse(text).success) return text;
  return onlyId(text, await list({ id: text, limit: "2" }));
}

function onlyId(text: string, [id, another]: readonly string[]): string {
  if (id !== undefined && another === undefined) return id;
  throw new OperatorFault(
    "usage",
    id === undefined ? `No id begins with ${text}.` : `Several ids begin with ${text}: ${id}, ${another} …`,
    id === undefined ? "list what there is" : "give more of it",
  );
}

export async function wholeDeviceId(service: Service, text: string): Promise<string> {
  return wholeId(text, async (query) =>
    (await service.ask("listDevices", { query })).devices.map(({ deviceId }) => deviceId),
  );
}

export async function wholeCredentialId(service: Service, text: string): Promise<string> {
  return wholeId(text, async (query) =>
    (await service.ask("listCredentials", { query })).credentials.map(({ credentialId }) => credentialId),
  );
}

/**
 * Of a device's command. Whoever gives one chooses its id, so a whole one has no form that tells: it is asked for first, and wins.
 * @throws OperatorFault `usage` unless there is exactly one that begins so
 */
export async function wholeCommandId(service: Service, deviceId: string, text: string): Promise<string> {
  try {
    return (await service.ask("showCommand", { path: { deviceId, commandId: text } })).command.commandId;
  } catch (error) {
    if (!isOperatorFault(error) || error.code !== "refused") throw error;
  }
  const { items } = await collect(
    async (query) => {
      const { commands, ...rest } = await service.ask("listCommands", { path: { deviceId }, query });
      return { items: commands, ...rest };
    },
    { all: true, limit: Infinity },
  );
  const ids = items.map(({ commandId }) => commandId).filter((id) => id.startsWith(text));
  return onlyId(text, ids);
}
