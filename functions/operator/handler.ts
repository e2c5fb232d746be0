import { problem, problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import type { ActName } from "@sealpost/protocol/operator/acts.ts";
import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";

import { explain } from "../fault/explain.ts";
import { type Fields, logInvocation } from "../fault/log.ts";
import type { Answer, Stamp } from "./act.ts";
import { type OperatorEvent, actOf, actorOf, parseCall, parseEvent } from "./call.ts";
import { decisions } from "./decisions.ts";
import type { OperatorPorts } from "./ports.ts";

/** Answers one operator request and writes one line about it. */
export function makeHandler(ports: OperatorPorts) {
  return async (input: unknown): Promise<APIGatewayProxyStructuredResultV2> => {
    const started = performance.now();
    const event = parseEvent(input);
    const [answer, fields] = await answerOf(event, ports);
    const response = toResponse(answer);
    logInvocation({
      function: "operator",
      requestId: event.requestContext.requestId,
      route: event.routeKey,
      actor: actorOf(event),
      ...event.pathParameters,
      status: response.statusCode,
      problem: "problem" in answer ? answer.problem.code : undefined,
      ...fields,
      milliseconds: Math.round(performance.now() - started),
    });
    return response;
  };
}

async function answerOf(event: OperatorEvent, ports: OperatorPorts): Promise<[Answer<ActName>, Fields]> {
  try {
    const actor = actorOf(event);
    if (!actor)
      return [{ problem: problem("forbidden", { detail: "The route needs an IAM identity and got none." }) }, {}];
    const name = actOf(event);
    return [name ? await answerTo(name, event, actor, ports) : { problem: problem("not-found") }, {}];
  } catch (error) {
    const { code, fields } = explain(error);
    return [{ problem: problem(code) }, fields];
  }
}

async function answerTo<Name extends ActName>(
  name: Name,
  event: OperatorEvent,
  actor: string,
  ports: OperatorPorts,
): Promise<Answer<Name>> {
  const call = parseCall(name, event, { actor, ...stampOf(ports) });
  return "problem" in call ? call : decisions[name](call.value, ports);
}

/** Entries of one second are listed in the order of their milliseconds. */
function stampOf(ports: Pick<OperatorPorts, "now" | "newId">): Pick<Stamp, "now" | "unique"> {
  const milliseconds = Math.round(ports.now() * 1000);
  const fraction = String(milliseconds % 1000).padStart(3, "0");
  return { now: Math.floor(milliseconds / 1000), unique: `${fraction}-${ports.newId()}` };
}

function toResponse(answer: Answer<ActName>): APIGatewayProxyStructuredResultV2 & { readonly statusCode: number } {
  const [statusCode, type, body] =
    "problem" in answer
      ? [answer.problem.status, problemMediaType, answer.problem]
      : [200, "application/json", answer.reply];
  return {
    statusCode,
    headers: { "content-type": type, "cache-control": "no-store" },
    body: JSON.stringify(body),
  };
}
