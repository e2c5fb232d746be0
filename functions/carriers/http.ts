import { limits } from "@sealpost/protocol/limits.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";

import { type HttpAnswer, type HttpEvent, bodyBytes, problemAnswer, textAnswer } from "../lambda/http.ts";
import { logInvocation } from "../fault/log.ts";
import { type Answered, answerMessage } from "../receive/answer.ts";
import type { MessagePorts } from "../receive/ports.ts";

const messageMediaType = "application/jose";

/** `POST /messages`: a token in, a token or a problem out; one log line. */
export function makeHandler(ports: MessagePorts, clock: () => number = Date.now) {
  return async (event: HttpEvent): Promise<HttpAnswer> => {
    const start = clock();
    const answered = await answer(ports, event, Math.floor(start / 1000));
    logInvocation({ function: "messages", ...answered.log, milliseconds: clock() - start });
    if (answered.kind === "sealed") return textAnswer(messageMediaType, answered.token);
    return problemAnswer(answered.body);
  };
}

async function answer(ports: MessagePorts, event: HttpEvent, now: number): Promise<Answered> {
  // Four base64 characters carry three; a larger body is refused before it is decoded.
  if ((event.body ?? "").length > limits.tokenBytes * (4 / 3) + 4) {
    return { kind: "problem", body: problem("too-large"), log: { outcome: "too-large", reason: "body" } };
  }
  // Whatever its media type: a gateway that loses it must not lose the token, which proves itself.
  return answerMessage(ports, Buffer.from(bodyBytes(event)).toString("latin1"), now);
}
