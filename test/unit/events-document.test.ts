import { readFileSync } from "node:fs";

import { publishedEventSchema, readingsDetailSchema, readingsEventType } from "@sealpost/protocol/operator/events.ts";
import { expect, test } from "vitest";
import * as z from "zod/mini";

import { eventDetails } from "../../functions/registry/events.ts";

/** Subscribers have docs/events.md alone: its schemas are those that events are made and read by. */

const sections = readFileSync("docs/events.md", "utf8").split(/^(?=#{2,3} )/mu);

function documented(heading: string): unknown {
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const [, json = "null"] = /^```json\n(.*?)^```$/msu.exec(section) ?? [];
  return JSON.parse(json);
}

/** As readers need it: what is not named is passed over. */
function schemaOf(schema: z.ZodMiniType): unknown {
  return JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input" })));
}

test("ok/the event", () => {
  expect(documented("## The event")).toEqual(schemaOf(publishedEventSchema));
});

const details = { [readingsEventType]: readingsDetailSchema, ...eventDetails };

test.each(Object.entries(details))("ok/the detail of %s", (type, schema) => {
  expect(documented(`### \`${type}\``)).toEqual(schemaOf(schema));
});

test("ok/no type that there is not", () => {
  const types = sections.flatMap((text) => /^### `(.*)`/u.exec(text)?.[1] ?? []);
  expect(types).toEqual(Object.keys(details));
});
