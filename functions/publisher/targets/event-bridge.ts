import { type EventBridgeClient, PutEventsCommand, type PutEventsResultEntry } from "@aws-sdk/client-eventbridge";

import type { Target, Verdict } from "../ports.ts";

/** Codes of an entry that will never be taken as it is. */
const final = new Set(["InvalidArgument", "MalformedDetail", "ValidationException"]);

/** A bus of EventBridge: source `sealpost.<service id>`, detail type and detail are the event's type and the event. It keeps no order. */
export function eventBridgeTarget(client: EventBridgeClient, busName: string, serviceId: string): Target {
  return {
    most: { entries: 10, bytes: 256_000 },
    ordered: false,
    async send(events) {
      const entries = events.map(({ event, text }) => ({
        EventBusName: busName,
        Source: `sealpost.${serviceId}`,
        DetailType: event.type,
        Detail: text,
        Time: new Date(event.time * 1000),
      }));
      const { Entries = [] } = await client.send(new PutEventsCommand({ Entries: entries }));
      return events.map((_, at) => verdictOf(Entries[at]));
    },
  };
}

function verdictOf(entry: PutEventsResultEntry | undefined): Verdict {
  if (entry?.ErrorCode === undefined) return entry?.EventId === undefined ? "later" : "taken";
  return final.has(entry.ErrorCode) ? "rejected" : "later";
}
