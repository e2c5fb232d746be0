import {
  type DeregistrationReply,
  type ReceiptClaims,
  deregistrationBodySchema,
} from "@sealpost/protocol/exchanges/deregistration.ts";
import { signReceipt } from "@sealpost/protocol/documents/receipt.ts";

import { Fault } from "../lambda/fault.ts";
import { settleKeys } from "../registry/device.ts";
import { thumbprintsOf } from "../registry/device-keys.ts";
import { exchange } from "./exchange.ts";

/** Figure 7. The device's items become a tombstone that holds the receipt. */
export const deregistration = exchange({
  statuses: ["provisioned", "registered"],
  body: deregistrationBodySchema,
  gather: async (_, { device, keys, now }, { serviceId, receiptSigner }) => {
    const claims: ReceiptClaims = {
      iss: serviceId,
      sub: device.identity.deviceId,
      iat: now,
      type: "deregistration",
      ...(await thumbprintsOf(keys)),
    };
    return { facts: await signReceipt(claims, receiptSigner) };
  },
  decide: ({ reason }, { device: { identity }, keys }, receipt) => ({
    effect: {
      result: {},
      device: { status: "deregistered", identity: { ...settleKeys(identity, keys), receipt } },
      journal: {
        action: "device.deregistered",
        detail: { receipt, keys, ...(reason === undefined ? {} : { reason }) },
      },
    },
  }),
  reply: async (_, { identity: { receipt } }): Promise<DeregistrationReply> => {
    if (receipt === undefined) throw new Fault("unavailable", "a tombstone has no receipt");
    return { receipt };
  },
});
