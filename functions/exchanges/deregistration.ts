import { type ReceiptClaims, deregistration as exchange } from "@sealpost/protocol/exchanges/deregistration.ts";
import { signReceipt } from "@sealpost/protocol/documents/receipt.ts";
import * as z from "zod/mini";

import type { SigningKeySource } from "../custody/port.ts";
import { Fault } from "../fault/fault.ts";
import { type ReadCommands, closeCommands } from "../registry/command-items.ts";
import { settleKeys, thumbprintsOf } from "../registry/key-ring.ts";
import { serve } from "./exchange.ts";

type Ports = {
  readonly serviceId: string;
  readonly receiptSigner: SigningKeySource;
  readonly commands: ReadCommands;
};

/** Figure 7. The device's items become a tombstone that holds the receipt. */
export const deregistration = ({ serviceId, receiptSigner, commands }: Ports) =>
  serve(exchange, {
    runsIn: { provisioned: true, registered: true },
    acts: 0,
    result: z.object({}),
    gather: async (_, { device, keys, now }) => {
      const claims: ReceiptClaims = {
        iss: serviceId,
        sub: device.identity.deviceId,
        iat: now,
        type: "deregistration",
        ...thumbprintsOf(keys),
      };
      const open = device.commands.open.map(({ n }) => n);
      const receipt = await signReceipt(claims, await receiptSigner());
      return { facts: { receipt, open: await commands(device.identity.deviceId, open) } };
    },
    decide: ({ reason }, { device: { identity, commands: given }, keys, now }, { receipt, open }) => ({
      effect: {
        result: {},
        commands: closeCommands(given, open, now),
        device: { status: "deregistered", identity: { ...settleKeys(identity, keys), receipt } },
        event: {
          action: "device.deregistered",
          detail: { receipt, keys, ...(reason === undefined ? {} : { reason }) },
        },
      },
    }),
    reply: (_, { identity: { receipt } }) => {
      if (receipt === undefined) throw new Fault("unavailable", "a tombstone has no receipt");
      return { receipt };
    },
  });
