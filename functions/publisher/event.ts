import { type PublishedEvent, readingsEventType } from "@sealpost/protocol/operator/events.ts";

import { type JournalEntry, deviceTarget } from "../registry/journal.ts";
import type { AcceptedReadings } from "../registry/readings.ts";

export function readingsEvent(
  deviceId: string,
  { seq, time, serialNumber, ...measured }: AcceptedReadings,
): PublishedEvent {
  return {
    id: `${deviceId}/${seq}`,
    type: readingsEventType,
    time,
    deviceId,
    serialNumber,
    target: deviceTarget(deviceId),
    detail: { seq, ...measured },
  };
}

export function journalEvent({ target, at, action, actor, time, detail }: JournalEntry): PublishedEvent {
  const deviceId = target.startsWith(deviceTarget("")) ? target.slice(deviceTarget("").length) : undefined;
  const serialNumber = "serialNumber" in detail ? detail.serialNumber : undefined;
  return {
    id: `${target}/${at}`,
    type: action,
    time,
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
    target,
    actor,
    detail: { ...detail },
  };
}

/** What a target that keeps an order keeps it by. */
export function orderKey({ deviceId, target }: PublishedEvent): string {
  return deviceId ?? target;
}

/**
 * An event as JSON that every target takes: SQS refuses the two characters of the basic plane that XML cannot hold, in what a device measured
 * too (SendMessage, "MessageBody").
 */
export function eventText(value: object): string {
  return JSON.stringify(value).replace(/[\uFFFE\uFFFF]/gu, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
}
