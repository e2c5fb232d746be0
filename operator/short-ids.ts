import { idSchema } from "@sealpost/protocol/operator/act.ts";

import { OperatorFault } from "./fault.ts";
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
  const [id, another] = await list({ id: text, limit: "2" });
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
