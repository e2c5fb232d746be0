import { randomUUID } from "node:crypto";

import { decisions } from "../../../functions/operator/decisions.ts";
import type { Bench } from "./bench.ts";

const call = (bench: Bench) => ({ actor: "tester", now: bench.now, unique: randomUUID(), query: undefined });
const ports = (bench: Bench) => ({
  serviceId: "test",
  generation: 1,
  store: bench.service.store,
  now: () => bench.now,
  newId: randomUUID,
});

/** @returns whether the service took it */
export async function queueCommand(
  bench: Bench,
  deviceId: string,
  commandId: string,
  name: string,
  more: { readonly repeatable?: true } = {},
): Promise<boolean> {
  const request = { commandId, name, arguments: { by: 90 }, ...more };
  const answer = await decisions.queueCommand({ ...call(bench), path: { deviceId }, request }, ports(bench));
  return "reply" in answer;
}

/** The state of a command, as an operator sees it. */
export async function commandState(bench: Bench, deviceId: string, commandId: string): Promise<string | undefined> {
  const path = { deviceId, commandId };
  const answer = await decisions.showCommand({ ...call(bench), path, request: undefined }, ports(bench));
  return "reply" in answer ? answer.reply.command.state : undefined;
}
