import { publishedEventSchema, readingsEventType } from "@sealpost/protocol/operator/events.ts";

/**
 * What a subscriber got of one device.
 * @param lines of `sealpost events tail --json`
 */
export function readEvents(lines: string, deviceId: string) {
  const events = lines
    .split("\n")
    .slice(0, -1) // whole lines
    .filter((line) => line.startsWith("{"))
    .map((line) => publishedEventSchema.parse(JSON.parse(line)))
    .filter((event) => event.deviceId === deviceId);
  return {
    types: events.map(({ type }) => type),
    readings: events.flatMap(({ type, detail }) => (type === readingsEventType ? [JSON.stringify(detail)] : [])),
  };
}
