/**
 * Every way the SDK can fail, and what happened then; `why` comes with the instance. Codes are stable: branch on them, never on a class or a
 * text. What to do about it depends on who runs the device, so it is said by whoever does; the command line has its own table of advice.
 */
export const deviceErrors = {
  // The order of things
  "not-bootstrapped": "This device has no identity yet",
  "already-bootstrapped": "This device was bootstrapped with another credential",
  "other-service": "The stored state belongs to a device of another service",
  "not-registered": "The service does not know yet what this device is",
  deregistered: "This device has de-registered, and its keys are erased",
  leaving: "This device is de-registering; nothing may be sent after that",
  "no-update": "There is no firmware update to go on with",
  "on-trial": "The running firmware is not confirmed yet, and the other slot is the way back",
  "queue-full": "Too many messages wait for an answer",
  "spool-full": "There is no room for more readings",
  // What was handed in
  "package-invalid": "This is not a credential package",
  "argument-invalid": "A value is not one that the protocol allows",
  // Nobody answers
  unreachable: "The service cannot be reached",
  "no-answer": "No authentic answer came in time",
  aborted: "The caller ended it; what was queued stays queued",
  "service-fault": "The service could not answer",
  // Somebody else answers
  "tls-not-trusted": "The bootstrap host did not prove that it is the service; nothing secret was sent",
  "answer-not-trusted": "The answer does not verify under the keys that this device pins; nothing of it was stored",
  // The credential
  "credential-refused": "The service refused the credential: unknown, used, expired or revoked",
  "certificate-conflict": "The credential was already used with other keys than this device's",
  // An authentic no
  refused: "The service refused the message",
  revoked: "The operator revoked this device; that is never lifted",
  gone: "The service has this device as de-registered; that is never lifted",
  // What became of a message
  "not-delivered": "The message was not delivered and never will be: its number was already used",
  "fate-unknown": "Whether the message took effect cannot be known any more",
  "reply-invalid": "The service's authentic answer makes no sense to this version of the device",
  // Firmware
  "firmware-rejected": "The offered firmware is not for this device; nothing was written",
  "firmware-failed": "The firmware update failed and was reported as failed; the running firmware is untouched",
  // This machine
  "home-busy": "Another process works with this device's state",
  "home-unsafe": "Others can write to where this device keeps its keys and state",
  "home-changed": "Another process changed this device's stored state; nothing of it was overwritten",
  "home-denied": "This device's stored files cannot be read or written",
  "home-broken": "The stored state of this device is damaged",
  "no-space": "There is no space left to write to",
  "slots-broken": "The record of the firmware slots is damaged",
  "keys-missing": "The private keys of this device are gone or damaged",
} as const satisfies Record<string, string>;

export type DeviceErrorCode = keyof typeof deviceErrors;

/** What came back says more than the code does: another service's documents; a refused connection on this very machine. */
export type Circumstance = "other-service-answers" | "nobody-on-this-machine";

/** Why a try came to nothing. */
export type Setback = {
  readonly why: string;
  readonly circumstance?: Circumstance | undefined;
  readonly cause?: unknown;
};

type Details = { readonly circumstance?: Circumstance | undefined; readonly path?: string };

/**
 * The one exception of the SDK. `message` is `what` and `why` in one sentence; `cause` is the fault below, if there is one. Never holds a secret
 * or a token.
 * @example
 * try {
 *   await device.register(profile);
 * } catch (error) {
 *   if (!isDeviceError(error) || error.code !== "no-answer") throw error;
 *   // The message is queued; the next verb sends it.
 * }
 */
export class DeviceError extends Error {
  readonly code: DeviceErrorCode;
  readonly what: string;
  readonly why: string;
  readonly circumstance: Circumstance | undefined;
  /** The file or folder that it is about. */
  readonly path: string | undefined;

  constructor(code: DeviceErrorCode, why: string, options: ErrorOptions & Details = {}) {
    const what = deviceErrors[code];
    super(why ? `${what}: ${why}` : what, options);
    this.name = "DeviceError";
    this.code = code;
    this.what = what;
    this.why = why;
    this.circumstance = options.circumstance;
    this.path = options.path;
  }
}

/** Narrows by shape, since bundling may duplicate the class. */
export function isDeviceError(error: unknown): error is DeviceError {
  return error instanceof Error && error.name === "DeviceError" && "code" in error && "why" in error;
}
