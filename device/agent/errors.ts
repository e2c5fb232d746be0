import type { DeviceErrorCode } from "../device-error.ts";

/**
 * What an error means to who runs by itself: `retry` the round later, `go-on` with the rest of the round since it is about the one thing alone
 * and was reported, or `end`, since nothing that the agent does could mend it.
 */
const meaning = {
  unreachable: "retry",
  "no-answer": "retry",
  aborted: "retry",
  "service-fault": "retry",
  // What stands between may be gone later: a captive portal, a relay.
  "tls-not-trusted": "retry",
  "answer-not-trusted": "retry",
  refused: "retry",
  "not-registered": "retry",
  "not-delivered": "retry",
  "fate-unknown": "retry",
  "reply-invalid": "retry",
  "queue-full": "retry",
  "spool-full": "retry",
  "no-space": "go-on",
  "no-update": "go-on",
  "on-trial": "go-on",
  "firmware-rejected": "go-on",
  "firmware-failed": "go-on",
  "not-bootstrapped": "end",
  "already-bootstrapped": "end",
  "other-service": "end",
  deregistered: "end",
  leaving: "end",
  "package-invalid": "end",
  "argument-invalid": "end",
  "credential-refused": "end",
  "certificate-conflict": "end",
  revoked: "end",
  gone: "end",
  "home-busy": "end",
  "home-denied": "end",
  "home-broken": "end",
  "home-unsafe": "end",
  "home-changed": "end",
  "slots-broken": "end",
  "keys-missing": "end",
} as const satisfies Record<DeviceErrorCode, "retry" | "go-on" | "end">;

export function meaningOf(code: DeviceErrorCode): "retry" | "go-on" | "end" {
  return meaning[code];
}
