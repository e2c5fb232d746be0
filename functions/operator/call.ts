import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { operatorLimits } from "@sealpost/protocol/operator/api.ts";
import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

/** One request, by whom, as the routes see it. */
export type Call = {
  /** IAM ARN. */
  readonly actor: string;
  readonly path: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string };
  readonly body: Uint8Array;
};

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

export function toCall(event: OperatorEvent): Parsed<Call> {
  const actor = event.requestContext.authorizer?.iam?.userArn;
  if (!actor) return { problem: problem("forbidden", { detail: "The route needs an IAM identity and got none." }) };
  return {
    value: {
      actor,
      path: event.pathParameters ?? {},
      query: event.queryStringParameters ?? {},
      body: Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8"),
    },
  };
}

/** A JSON body that fits the schema exactly. */
export function parseBody<T>({ body }: Call, schema: z.ZodMiniType<T>): Parsed<T> {
  if (body.length > operatorLimits.requestBytes) {
    return { problem: problem("too-large", { detail: `A request has at most ${operatorLimits.requestBytes} bytes.` }) };
  }
  let json: unknown;
  try {
    json = parseJson(body, "body");
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return invalid("body", "The body is not JSON, or names a member twice.");
  }
  // API Gateway hands over a text body with this character in place of whatever was no UTF-8.
  if (Buffer.from(body).includes("\ufffd")) return invalid("body", "The body is not UTF-8.");
  return parsed(schema.safeParse(json));
}

export function parseQuery<T>({ query }: Call, schema: z.ZodMiniType<T>): Parsed<T> {
  return parsed(schema.safeParse(query));
}

/** An id in the path; in any but its one form it names nothing. */
export function pathId({ path }: Call, name: string): Parsed<string> {
  const id = path[name] ?? "";
  return isId(id) ? { value: id } : invalid(name, `${name} is a UUID in lower case.`);
}

function isId(text: string): boolean {
  return z.uuid().safeParse(text).success && text === text.toLowerCase();
}

const { usual, most } = operatorLimits.pageItems;

/** Query members that every list takes. */
export const pageQuery = {
  limit: z.pipe(
    z.pipe(
      z.optional(z.string().check(z.regex(/^[1-9]\d{0,2}$/))),
      z.transform((text) => (text === undefined ? usual : Number(text))),
    ),
    z.int().check(z.maximum(most)),
  ),
  cursor: z.optional(z.string().check(z.maxLength(2_048))),
};

export function invalid(field: string, detail: string): { problem: Problem } {
  return { problem: problem("invalid-request", { detail, field }) };
}

function parsed<T>(result: z.core.util.SafeParseResult<T>): Parsed<T> {
  if (result.success) return { value: result.data };
  const field = memberOf(result.error);
  return invalid(field, `${field} is missing, unknown or out of range.`);
}
