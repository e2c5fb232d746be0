import { expect, test } from "vitest";

import { exchanges } from "@sealpost/protocol/exchanges/exchanges.ts";
import { firmwareCheck } from "@sealpost/protocol/exchanges/firmware.ts";
import { registration } from "@sealpost/protocol/exchanges/registration.ts";

import { type SettleRows, settleRow } from "../../device/delivery/settle-row.ts";
import type { Outbox } from "../../device/delivery/outbox.ts";
import { settleCommandsNext, settleCommandsResult } from "../../device/commands/settle.ts";
import { settleDeregistration } from "../../device/deregistration.ts";
import { settleFirmwareCheck, settleFirmwareReport } from "../../device/firmware/settle.ts";
import { settleRenewal } from "../../device/identity/renewal.ts";
import { settleReadings } from "../../device/readings/settle.ts";
import { settleRegistration } from "../../device/registration.ts";

const rows: SettleRows = {
  register: settleRegistration,
  "firmware.check": settleFirmwareCheck,
  "firmware.report": settleFirmwareReport,
  readings: settleReadings,
  "commands.next": settleCommandsNext,
  "commands.result": settleCommandsResult,
  renew: settleRenewal,
  deregister: settleDeregistration,
};

test("ok/a row for each exchange", () => {
  expect(Object.keys(rows).toSorted()).toEqual(exchanges.map(({ operation }) => operation).toSorted());
  for (const [operation, { exchange }] of Object.entries(rows)) expect(exchange.operation).toBe(operation);
});

// What follows is checked by the compiler: an expectation that is not met is an error of its own.

const { deregister: _left, ...others } = rows;
// @ts-expect-error a forgotten row
export const forgotten: SettleRows = others;

// @ts-expect-error a row under another's name
export const swapped: SettleRows = { ...rows, "firmware.report": settleRenewal };

// @ts-expect-error a reply that the exchange does not give
export const wrongReply = settleRow(registration, async ({ offer }) => (state) => ({ ...state, pollSeconds: offer }));

export async function wrongBody(outbox: Outbox): Promise<void> {
  // @ts-expect-error a body that the exchange does not take
  await outbox.enqueue(firmwareCheck, { firmware: "1.0.0" });
}
