import { marshall } from "@aws-sdk/util-dynamodb";

import type { Item } from "../../functions/store/port.ts";

/** A change as a stream of DynamoDB hands it to a function: attributes as of the API, binary ones as base64. */
export function streamRecord(item: Item): object {
  return { eventSource: "aws:dynamodb", eventName: "MODIFY", dynamodb: { NewImage: asJson(item) } };
}

function asJson(item: Item): object {
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? { B: Buffer.from(value).toString("base64") } : marshall({ value })["value"],
    ]),
  );
}
