import { limits } from "@sealpost/protocol/limits.ts";
import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";

import { explain } from "../fault/explain.ts";
import { Fault } from "../fault/fault.ts";
import { logInvocation } from "../fault/log.ts";
import { type HttpAnswer, type HttpEvent, bodyBytes, problemAnswer, textAnswer } from "../lambda/http.ts";
import { type Answered, answerMessages } from "../receive/answer.ts";
import type { MessagePorts } from "../receive/ports.ts";

/** A step that begins later might not end before the function does; and an answer of some is worth more than none. */
const lateMilliseconds = 14_000;

const most = limits.batch;
const tooManyBytes = problem("too-large", { detail: `A batch has at most ${most.requestBytes} bytes.` });
const tooManyTokens = problem("too-large", { detail: `A batch has at most ${most.tokens} tokens, one a line.` });
const noToken = problem("invalid-request", { detail: "A batch has at least one token." });

const noRoom = explain(new Fault("unavailable", "no room in the batch's answer"));
const noRoomLine = JSON.stringify(problem(noRoom.code));

/** `POST /batches`: a token a line in; a token or a problem a line out, in the same order; one log line for each, or one for a batch that is none. */
export function makeBatchHandler(ports: MessagePorts, clock: () => number = Date.now) {
  return async (event: HttpEvent): Promise<HttpAnswer> => {
    const start = clock();
    const batch = tokensOf(event);
    if ("refused" in batch) {
      const { refused } = batch;
      logInvocation({ function: "messages", outcome: refused.code, reason: "batch", milliseconds: clock() - start });
      return problemAnswer(refused);
    }
    const isLate = () => clock() - start >= lateMilliseconds;
    const answered = await answerMessages(ports, batch.tokens, Math.floor(start / 1000), isLate);
    const lines = fitting(answered);
    const milliseconds = clock() - start;
    for (const [place, { log }] of lines.entries())
      logInvocation({ function: "messages", ...log, place, milliseconds });
    return textAnswer("text/plain", lines.map(({ line }) => `${line}\n`).join(""));
  };
}

function tokensOf(event: HttpEvent): { readonly tokens: readonly string[] } | { readonly refused: Problem } {
  // Four base64 characters carry three; a larger body is refused before it is decoded.
  if ((event.body ?? "").length > most.requestBytes * (4 / 3) + 4) return { refused: tooManyBytes };
  const bytes = bodyBytes(event);
  if (bytes.length > most.requestBytes) return { refused: tooManyBytes };
  // Two more than there may be tell too many from a line break at the end.
  const tokens = Buffer.from(bytes)
    .toString("latin1")
    .split("\n", most.tokens + 2);
  if (tokens.at(-1) === "") tokens.pop();
  if (tokens.length > most.tokens) return { refused: tooManyTokens };
  return tokens.length === 0 ? { refused: noToken } : { tokens };
}

/** A line for each place. What does not fit took effect all the same: its repeat is answered from the record. */
function fitting(answered: readonly Answered[]) {
  const least = noRoomLine.length + 1;
  let room = most.replyBytes - answered.length * least;
  return answered.map((one) => {
    const line = one.kind === "sealed" ? one.token : JSON.stringify(one.body);
    const more = Buffer.byteLength(line) + 1 - least;
    if (more > room) return { line: noRoomLine, log: { ...one.log, ...noRoom.fields } };
    room -= more;
    return { line, log: one.log };
  });
}
