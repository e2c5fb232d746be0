import { type Problem, problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";

export type HttpEvent = Pick<APIGatewayProxyEventV2, "routeKey" | "headers" | "isBase64Encoded"> & {
  readonly body?: string | undefined;
};
export type HttpAnswer = APIGatewayProxyStructuredResultV2;

/** The body's bytes. HTTP APIs hand over media types that they take for text as text, everything else as base64. */
export function bodyBytes({ body = "", isBase64Encoded }: HttpEvent): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(body, isBase64Encoded ? "base64" : "utf8"));
}

/** The media type without parameters, lower case (RFC 9110 §8.3.1). */
export function mediaType({ headers }: HttpEvent): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Nothing here is cached unless it says so (RFC 9111 §5.2.2.5). */
const noStore = { "cache-control": "no-store" };

export function textAnswer(contentType: string, body: string, headers: Record<string, string> = noStore): HttpAnswer {
  return { statusCode: 200, headers: { "content-type": contentType, ...headers }, body };
}

export function jsonAnswer(body: object, headers: Record<string, string> = noStore): HttpAnswer {
  return textAnswer("application/json", JSON.stringify(body), headers);
}

export function problemAnswer(body: Problem, headers: Record<string, string> = {}): HttpAnswer {
  return {
    statusCode: body.status,
    headers: { "content-type": problemMediaType, ...noStore, ...headers },
    body: JSON.stringify(body),
  };
}
