import { publishedEventSchema, readingsEventType } from "@sealpost/protocol/operator/events.ts";

/**
 * What a subscriber got, by device.
 * @param lines of `sealpost events tail --json`
 */
export function readEvents(lines: string) {
  const events = lines
    .split("\n")
    .slice(0, -1) // whole lines
    .filter((line) => line.startsWith("{"))
    .map((line) => publishedEventSchema.parse(JSON.parse(line)));
  const of = (deviceId: string) => events.filter((event) => event.deviceId === deviceId);
  return {
    types: (deviceId: string) => of(deviceId).map(({ type }) => type),
    readings: (deviceId: string) =>
      of(deviceId).flatMap(({ type, detail }) => (type === readingsEventType ? [JSON.stringify(detail)] : [])),
  };
}
