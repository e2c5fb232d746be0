import { defineEnvironment } from "../lambda/environment.ts";

/**
 * `TARGET_KIND`: a kind of `targets/target.ts`; `TARGET_ADDRESS`: what that kind is addressed by. `PARKED_QUEUE`: URL of the publisher's own queue.
 * `JOURNAL_TABLE`: for replays.
 */
export const readPublisherEnvironment = defineEnvironment(
  "SERVICE_ID",
  "TARGET_KIND",
  "TARGET_ADDRESS",
  "PARKED_QUEUE",
  "JOURNAL_TABLE",
);

export type PublisherEnvironment = ReturnType<typeof readPublisherEnvironment>;
