import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";
import { type Act, idSchema } from "@sealpost/protocol/operator/act.ts";
import { type ActName, acts, requestBytes, routeKeyOf } from "@sealpost/protocol/operator/acts.ts";
import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import type { Call, Stamp } from "./act.ts";

export type Parsed<T> = { readonly value: T } | { readonly problem: Problem };

const named = z.nullish(z.record(z.string(), z.string()));

/** The members of an HTTP API event (payload 2.0, IAM authorizer) that are read here. */
const eventSchema = z.object({
  routeKey: z.string(),
  requestContext: z.object({
    requestId: z.optional(z.string()),
    authorizer: z.optional(z.object({ iam: z.optional(z.object({ userArn: z.optional(z.nullable(z.string())) })) })),
  }),
  pathParameters: named,
  queryStringParameters: named,
  body: z.nullish(z.string()),
  isBase64Encoded: z.optional(z.boolean()),
});
export type OperatorEvent = z.infer<typeof eventSchema>;

/** @throws ZodError if this is no event of an HTTP API: the function is wired wrongly */
export function parseEvent(event: unknown): OperatorEvent {
  return eventSchema.parse(event);
}

/** IAM ARN of who asks; absent where a route lacks its authorizer. */
export function actorOf(event: OperatorEvent): string | undefined {
  return event.requestContext.authorizer?.iam?.userArn ?? undefined;
}

const names = new Map(
  Object.keys(acts).map((name) => {
    const known = name as ActName;
    return [routeKeyOf(acts[known]), known];
  }),
);

export function actOf({ routeKey }: OperatorEvent): ActName | undefined {
  return names.get(routeKey);
}

/** Every part of a request by the row of its act; what a row does not name must not be there. */
export function parseCall<Name extends ActName>(name: Name, event: OperatorEvent, stamp: Stamp): Parsed<Call<Name>> {
  const act: Act = acts[name];
  const path = parsePath(event.pathParameters ?? {}, act);
  if ("problem" in path) return path;
  const query = parsed((act.query ?? z.strictObject({})).safeParse(event.queryStringParameters ?? {}));
  if ("problem" in query) return query;
  const request = act.request ? parseBody(event, act.request) : { value: undefined };
  if ("problem" in request) return request;
  return { value: { ...stamp, path: path.value, query: query.value, request: request.value } as Call<Name> };
}

/** An id in any but its one form names nothing. */
function parsePath(
  parameters: { readonly [name: string]: string },
  { parameters: forms = {} }: Act,
): Parsed<{ readonly [name: string]: string }> {
  for (const [name, value] of Object.entries(parameters)) {
    const form = forms[name];
    if (form === undefined && !idSchema.safeParse(value).success)
      return invalid(name, `${name} is a UUID in lower case.`);
    if (form !== undefined && !form.safeParse(value).success) return invalid(name, `${name} is of another form.`);
  }
  return { value: parameters };
}

/** A JSON body that fits the schema exactly. */
function parseBody({ body: text, isBase64Encoded }: OperatorEvent, schema: z.ZodMiniType): Parsed<unknown> {
  const body = Buffer.from(text ?? "", isBase64Encoded ? "base64" : "utf8");
  if (body.length > requestBytes) {
    return { problem: problem("too-large", { detail: `A request has at most ${requestBytes} bytes.` }) };
  }
  let json: unknown;
  try {
    json = parseJson(body, "body");
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return invalid("body", "The body is not JSON, or names a member twice.");
  }
  // API Gateway hands over a text body with this character in place of whatever was no UTF-8.
  if (body.includes("\ufffd")) return invalid("body", "The body is not UTF-8.");
  return parsed(schema.safeParse(json));
}

export function invalid(field: string, detail: string): { problem: Problem } {
  return { problem: problem("invalid-request", { detail, field }) };
}

function parsed<T>(result: z.core.util.SafeParseResult<T>): Parsed<T> {
  if (result.success) return { value: result.data };
  const field = memberOf(result.error);
  return invalid(field, `${field} is missing, unknown or out of range.`);
}
