import { commandsNext, commandsResult } from "./commands.ts";
import type { Exchange } from "./define-exchange.ts";
import { deregistration } from "./deregistration.ts";
import { firmwareCheck, firmwareReport } from "./firmware.ts";
import { readings } from "./readings.ts";
import { registration } from "./registration.ts";
import { renewal } from "./renewal.ts";

/** Every exchange of the protocol. Both ends compose a table with exactly these rows. */
export const exchanges = [
  registration,
  firmwareCheck,
  firmwareReport,
  readings,
  commandsNext,
  commandsResult,
  renewal,
  deregistration,
] as const satisfies readonly Exchange[];

type Listed = (typeof exchanges)[number];
/** Name of an exchange on the wire. */
export type Operation = Listed["operation"];
/** The exchange of a name. */
export type ExchangeOf<O extends Operation> = Extract<Listed, { readonly operation: O }>;

export function isOperation(name: string): name is Operation {
  return exchanges.some(({ operation }) => operation === name);
}
