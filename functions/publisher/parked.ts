import { publishedEventSchema } from "@sealpost/protocol/operator/events.ts";
import * as z from "zod/mini";

/**
 * What could not be published, whole. `rejected`: the target will never take it as it is. `unavailable`: the target took nothing for too long.
 * `unreadable`: a record of the table that this version does not understand.
 */
const parkedSchema = z.discriminatedUnion("why", [
  z.object({ why: z.literal("rejected"), event: publishedEventSchema }),
  z.object({ why: z.literal("unavailable"), event: publishedEventSchema }),
  z.object({ why: z.literal("unreadable"), record: z.unknown() }),
]);
export type Parked = z.infer<typeof parkedSchema>;

/** @returns undefined for what nobody parked */
export function parseParked(text: string): Parked | undefined {
  try {
    return parkedSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
