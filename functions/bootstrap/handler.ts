import { problem } from "@sealpost/protocol/messages/problems.ts";

import { explain } from "../fault/explain.ts";
import { type HttpAnswer, type HttpEvent, bodyBytes, jsonAnswer, mediaType, problemAnswer } from "../lambda/http.ts";
import { type Fields, logInvocation } from "../fault/log.ts";
import { exchangeCertificates } from "./certificate.ts";
import type { BootstrapPorts } from "./ports.ts";
import { grantFirstToken } from "./token.ts";

type Answered = { readonly answer: HttpAnswer; readonly log: Fields };

/** The two requests of a device's one TLS connection; one log line each. */
export function makeHandler(ports: BootstrapPorts, clock: () => number = Date.now) {
  return async (event: HttpEvent): Promise<HttpAnswer> => {
    const start = clock();
    const { answer, log } = await route(ports, event, Math.floor(start / 1000)).catch(answerFault);
    logInvocation({ function: "bootstrap", route: event.routeKey, ...log, milliseconds: clock() - start });
    return answer;
  };
}

async function route(ports: BootstrapPorts, event: HttpEvent, now: number): Promise<Answered> {
  const request = {
    authorization: event.headers["authorization"],
    mediaType: mediaType(event),
    body: bodyBytes(event),
  };
  if (event.routeKey === "POST /bootstrap/token") return answerToken(await grantFirstToken(ports, request, now));
  if (event.routeKey === "POST /bootstrap/certificate") {
    return answerCertificate(await exchangeCertificates(ports, request, now));
  }
  return { answer: problemAnswer(problem("not-found")), log: { outcome: "not-found" } };
}

function answerToken(granted: Awaited<ReturnType<typeof grantFirstToken>>): Answered {
  if ("grant" in granted) {
    const { grant, credentialId } = granted;
    // RFC 6749 §5.1 asks for Pragma beside Cache-Control.
    return {
      answer: jsonAnswer(grant, { "cache-control": "no-store", pragma: "no-cache" }),
      log: { outcome: "ok", credentialId },
    };
  }
  const { error, reason } = granted.refusal;
  const answer = jsonAnswer({ error, error_description: descriptions[error] });
  const challenge = error === "invalid_client" ? { "www-authenticate": 'Basic realm="sealpost bootstrap"' } : {};
  const statusCode = error === "invalid_client" ? 401 : 400;
  return {
    answer: { ...answer, statusCode, headers: { ...answer.headers, ...challenge } },
    log: { outcome: error, reason },
  };
}

const descriptions = {
  invalid_request: "Send grant_type=client_credentials as application/x-www-form-urlencoded.",
  invalid_client: "The credential is not known, not valid any more, or already used.",
  unsupported_grant_type: "Only client_credentials is granted here.",
} as const;

function answerCertificate(outcome: Awaited<ReturnType<typeof exchangeCertificates>>): Answered {
  if ("answer" in outcome) {
    return { answer: jsonAnswer(outcome.answer), log: { outcome: "ok", deviceId: outcome.answer.deviceId } };
  }
  const { code, reason, field } = outcome.refusal;
  const challenge = code === "unauthorized" ? { "www-authenticate": 'Bearer error="invalid_token"' } : {};
  return {
    answer: problemAnswer(problem(code, field === undefined ? {} : { field }), challenge),
    log: { outcome: code, reason, ...(field === undefined ? {} : { field }) },
  };
}

function answerFault(error: unknown): Answered {
  const { code, fields } = explain(error);
  return { answer: problemAnswer(problem(code)), log: fields };
}
