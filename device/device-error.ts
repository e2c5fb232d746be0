/**
 * Every way the device side can fail, in one place: what happened, what to do next, and the exit code of the CLI.
 * `why` comes with the instance. Codes are stable; branch on them, never on a class or a text.
 */
export const deviceErrors = {
  // 3: the order of things
  "not-bootstrapped": {
    exit: 3,
    what: "This device has no identity yet",
    next: "bootstrap it first: `sealpost-device bootstrap --package FILE`",
  },
  "already-bootstrapped": {
    exit: 3,
    what: "This device was bootstrapped with another credential",
    next: "use an empty --home for a second device, or deregister this one first",
  },
  "other-service": {
    exit: 3,
    what: "This home belongs to a device of another service",
    next: "use another --home, or the credential package of this device's own service",
  },
  "not-registered": {
    exit: 3,
    what: "The service does not know yet what this device is",
    next: "register it first: `sealpost-device register --help`",
  },
  deregistered: {
    exit: 3,
    what: "This device has de-registered, and its keys are erased",
    next: "use an empty --home and a new credential package to start again",
  },
  leaving: {
    exit: 3,
    what: "This device is de-registering; nothing may be sent after that",
    next: "finish it: `sealpost-device deregister`",
  },
  "no-update": {
    exit: 3,
    what: "There is no firmware update to go on with",
    next: "ask for one: `sealpost-device check`, then `sealpost-device update`",
  },
  "not-booted": {
    exit: 3,
    what: "The new firmware has not been booted yet",
    next: "restart the device (`sealpost-device boot` does it for file slots)",
  },
  "on-trial": {
    exit: 3,
    what: "The running firmware is not confirmed yet, and the other slot is the way back",
    next: "confirm it first: `sealpost-device boot`",
  },
  "queue-full": {
    exit: 3,
    what: "Too many messages wait for an answer",
    next: "restore the connection and let them be delivered, then try again",
  },
  // 4: what was handed in
  "package-unreadable": {
    exit: 4,
    what: "The credential package cannot be read",
    next: "name the file that the operator gave you: `--package FILE`",
  },
  "package-invalid": {
    exit: 4,
    what: "This is not a credential package",
    next: "ask the operator for the file that `sealpost credential create` writes, and copy it unchanged",
  },
  "argument-invalid": {
    exit: 4,
    what: "A value is not one that the protocol allows",
    next: "correct it; `--help` of the command shows an example",
  },
  // 5: nobody answers
  unreachable: {
    exit: 5,
    what: "The service cannot be reached",
    next: "check the address, the network and that the service runs, then run the same command again",
  },
  "no-answer": {
    exit: 5,
    what: "No authentic answer came in time",
    next: "run the same command again, or allow more time with --max-wait; nothing is lost or sent twice",
  },
  "service-fault": {
    exit: 5,
    what: "The service could not answer",
    next: "wait a little and run the same command again; it goes on where it stopped",
  },
  // 6: somebody else answers
  "tls-not-trusted": {
    exit: 6,
    what: "The bootstrap host did not prove that it is the service; nothing secret was sent",
    next: "check bootstrapUrl and ca of the credential package with the operator, and what stands between you and the host",
  },
  "answer-not-trusted": {
    exit: 6,
    what: "The answer does not verify under the keys that this device pins; nothing of it was stored",
    next: "ask the operator to check the service's trust document against the roots in the credential package",
  },
  // 7: the credential
  "credential-refused": {
    exit: 7,
    what: "The service refused the credential: unknown, used, expired or revoked",
    next: "ask the operator for a new credential (`sealpost credential create`) and bootstrap with an empty --home",
  },
  "certificate-conflict": {
    exit: 7,
    what: "The credential was already used with other keys than this device's",
    next: "ask the operator to revoke the device that used it (`sealpost device revoke`) and for a new credential (`sealpost credential create`), and bootstrap with an empty --home",
  },
  // 8: an authentic no
  refused: {
    exit: 8,
    what: "The service refused the message",
    next: "correct what it names and run the command again",
  },
  revoked: {
    exit: 8,
    what: "The operator revoked this device; that is never lifted",
    next: "ask the operator; a new credential package in an empty --home makes a new device",
  },
  gone: {
    exit: 8,
    what: "The service has this device as de-registered; that is never lifted",
    next: "fetch the receipt and erase the keys: `sealpost-device deregister`",
  },
  // 9: what became of a message
  "not-delivered": {
    exit: 9,
    what: "The message was not delivered and never will be: its number was already used",
    next: "run the command again; it goes out under a new number",
  },
  "fate-unknown": {
    exit: 9,
    what: "Whether the message took effect cannot be known any more",
    next: "look at what the service knows of this device before you send it again; `sealpost-device status` lists it",
  },
  "reply-invalid": {
    exit: 9,
    what: "The service's authentic answer makes no sense to this version of the device",
    next: "update the device software, or tell the operator",
  },
  // 10: firmware
  "firmware-rejected": {
    exit: 10,
    what: "The offered firmware is not for this device; nothing was written",
    next: "tell the operator, who signed the release",
  },
  "firmware-failed": {
    exit: 10,
    what: "The firmware update failed and was reported as failed; the running firmware is untouched",
    next: "tell the operator, who signed the release",
  },
  // 11: this machine
  "home-busy": {
    exit: 11,
    what: "Another command works in this home",
    next: "wait for it to end and try again",
  },
  "home-denied": {
    exit: 11,
    what: "The home cannot be read or written",
    next: "correct owner and permissions, or name another --home",
  },
  "home-broken": {
    exit: 11,
    what: "The stored state of this device is damaged",
    next: "restore it from a backup (never the keys); or ask the operator to revoke this device (`sealpost device revoke`) and for a new credential (`sealpost credential create`), and bootstrap with an empty --home",
  },
  "keys-missing": {
    exit: 11,
    what: "The private keys of this device are gone or damaged",
    next: "ask the operator to revoke this device (`sealpost device revoke`) and for a new credential (`sealpost credential create`), and bootstrap with an empty --home",
  },
} as const satisfies Record<string, { exit: number; what: string; next: string }>;

export type DeviceErrorCode = keyof typeof deviceErrors;

/** Where what came back says more than the code does: the advice that takes the place of the code's own. */
export const adviceFor = {
  "other-service-answers":
    "check the address (--via); a home of a stack that is gone is of no use: get a new credential and use an empty --home",
  "nobody-on-this-machine":
    "is the local stack up (`npm run up`)? Its ports change each time, and neither a device nor a credential package of a stack that is gone can go on: get a new credential and use an empty --home",
} as const;
type Circumstance = keyof typeof adviceFor;

/** Why a try came to nothing. */
export type Setback = { readonly why: string; readonly circumstance?: Circumstance | undefined };

/** The one exception of the SDK. `message` says what happened and why; `next` says what to do. Never holds a secret or a token. */
export class DeviceError extends Error {
  readonly code: DeviceErrorCode;
  readonly why: string;
  readonly next: string;
  readonly exitCode: number;
  readonly circumstance: Circumstance | undefined;

  constructor(
    code: DeviceErrorCode,
    why: string,
    options?: ErrorOptions & { readonly circumstance?: Circumstance | undefined },
  ) {
    const { what, next, exit } = deviceErrors[code];
    super(why ? `${what}: ${why}` : what, options);
    this.name = "DeviceError";
    this.code = code;
    this.why = why;
    this.circumstance = options?.circumstance;
    this.next = this.circumstance ? adviceFor[this.circumstance] : next;
    this.exitCode = exit;
  }
}

/** Narrows by shape, since bundling may duplicate the class. */
export function isDeviceError(error: unknown): error is DeviceError {
  return error instanceof Error && error.name === "DeviceError" && "code" in error && "next" in error;
}
