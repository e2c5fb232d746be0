import { limits } from "@sealpost/protocol/limits.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";

import { type HttpAnswer, type HttpEvent, bodyBytes, problemAnswer, textAnswer } from "../lambda/http.ts";
import { codedAnswer, decodeBody, isCoded } from "./coding.ts";
import { logInvocation } from "../fault/log.ts";
import { type Answered, answerMessage } from "../receive/answer.ts";
import type { MessagePorts } from "../receive/ports.ts";

const messageMediaType = "application/jose";

/** `POST /messages`: a token in, a token or a problem out; one log line. */
export function makeHandler(ports: MessagePorts, clock: () => number = Date.now) {
  return async (event: HttpEvent): Promise<HttpAnswer> => {
    const start = clock();
    const body = bodyOf(event);
    const answered = await answer(ports, body, Math.floor(start / 1000));
    logInvocation({ function: "messages", ...answered.log, milliseconds: clock() - start });
    if (answered.kind === "problem") return problemAnswer(answered.body);
    return (isCoded(body) ? codedAnswer : textAnswer)(messageMediaType, answered.token);
  };
}

/** Four base64 characters carry three; a larger body is refused before it is decoded. */
function bodyOf(event: HttpEvent): Uint8Array {
  return (event.body ?? "").length > limits.tokenBytes * (4 / 3) + 4 ? oversized : bodyBytes(event);
}
const oversized = new Uint8Array();

async function answer(ports: MessagePorts, body: Uint8Array, now: number): Promise<Answered> {
  const token = isCoded(body) ? decodeBody(body) : body;
  if (body === oversized || token === "too-large") {
    return { kind: "problem", body: problem("too-large"), log: { outcome: "too-large", reason: "body" } };
  }
  // Whatever its media type: a gateway that loses it must not lose the token, which proves itself.
  return answerMessage(ports, Buffer.from(token).toString("latin1"), now);
}
