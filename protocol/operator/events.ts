import * as z from "zod/mini";

import { readingsBodySchema } from "../exchanges/readings.ts";
import { seconds } from "./act.ts";

/** The `type` of an event that carries what a device measured; every other is an action of the journal. */
export const readingsEventType = "readings";

/** What an event of readings says: the records as the device sent them. */
export const readingsDetailSchema = z.object({
  /** Number of the message. */
  seq: z.int().check(z.positive()),
  stream: readingsBodySchema.shape.stream,
  records: readingsBodySchema.shape.records,
});

/** One event as the operator's own systems get it, at least once. */
export const publishedEventSchema = z.object({
  /** The same in every copy: `<device id>/<seq>` of readings, `<target>/<at>` of an entry of the journal. */
  id: z.string(),
  /** `readings`, or the action of the journal's entry. */
  type: z.string(),
  /** When the service received or recorded it, Unix seconds. */
  time: seconds,
  deviceId: z.optional(z.uuid()),
  serialNumber: z.optional(z.string()),
  /** `device#<id>`, `credential#<id>`, `release#<model>#<hardware>`, `trust`. */
  target: z.string(),
  /** Of an entry of the journal: IAM ARN of an operator, `device#<id>` or `credential#<id>`. */
  actor: z.optional(z.string()),
  detail: z.record(z.string(), z.unknown()),
});
export type PublishedEvent = z.infer<typeof publishedEventSchema>;
