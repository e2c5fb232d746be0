import type { Circumstance, DeviceError, DeviceErrorCode } from "../device-error.ts";
import { errorCode } from "../adapters/durable-file.ts";

/** What the exit codes of the command line mean. */
const exitCodes = {
  0: "done",
  1: "a fault of this program",
  2: "the command line is wrong",
  3: "not now: the order of things",
  4: "what was handed in",
  5: "nobody answers",
  6: "somebody else answers",
  7: "the credential",
  8: "the service says no",
  9: "what became of the message",
  10: "firmware",
  11: "this machine",
} as const;
type ExitCode = keyof typeof exitCodes;

/** The command line's own failures, beside those of the SDK. */
export type CommandErrorCode = "usage" | "package-unreadable" | "input-unreadable" | "output-lost";
type FailureCode = DeviceErrorCode | CommandErrorCode | "fault";

const startAfresh =
  "ask the operator to revoke this device (`sealpost device revoke`) and for a new credential (`sealpost credential create`), and bootstrap with an empty --home";

/** The exit code of every failure, and what to do about it where nothing more is known than its code. */
export const failures = {
  fault: {
    exit: 1,
    next: "run the command again; if it stays, report it with the output of `sealpost-device status --json`",
  },
  usage: { exit: 2, next: "see `sealpost-device --help`, or `--help` of the command" },
  // 3: the order of things
  "not-bootstrapped": { exit: 3, next: "bootstrap it first: `sealpost-device bootstrap --package FILE`" },
  "already-bootstrapped": { exit: 3, next: "use an empty --home for a second device, or deregister this one first" },
  "other-service": {
    exit: 3,
    next: "use another --home, or the credential package of this device's own service",
  },
  "not-registered": { exit: 3, next: "register it first: `sealpost-device register --help`" },
  deregistered: { exit: 3, next: "use an empty --home and a new credential package to start again" },
  leaving: { exit: 3, next: "finish it: `sealpost-device deregister`" },
  "no-update": { exit: 3, next: "ask for one: `sealpost-device check`, then `sealpost-device update`" },
  "on-trial": { exit: 3, next: "confirm it first: `sealpost-device boot`" },
  "queue-full": { exit: 3, next: "restore the connection and let them be delivered, then try again" },
  "spool-full": {
    exit: 3,
    next: "restore the connection and let them be delivered (`sealpost-device send`), or let the oldest go: --when-full drop-oldest",
  },
  // 4: what was handed in
  "package-unreadable": { exit: 4, next: "name the file that the operator gave you: `--package FILE`" },
  "input-unreadable": { exit: 4, next: "name a file that can be read, or hand the readings in on standard input: `-`" },
  "package-invalid": {
    exit: 4,
    next: "ask the operator for the file that `sealpost credential create` writes, and copy it unchanged",
  },
  "argument-invalid": { exit: 4, next: "correct it; `--help` of the command shows an example" },
  // 5: nobody answers
  unreachable: {
    exit: 5,
    next: "check the address, the network and that the service runs, then run the same command again",
  },
  "no-answer": {
    exit: 5,
    next: "run the same command again, or allow more time with --max-wait; nothing is lost or sent twice",
  },
  aborted: { exit: 5, next: "run the same command again; it goes on where it stopped" },
  "service-fault": { exit: 5, next: "wait a little and run the same command again; it goes on where it stopped" },
  // 6: somebody else answers
  "tls-not-trusted": {
    exit: 6,
    next: "check bootstrapUrl and ca of the credential package with the operator, and what stands between you and the host",
  },
  "answer-not-trusted": {
    exit: 6,
    next: "ask the operator to check the service's trust document against the roots in the credential package",
  },
  // 7: the credential
  "credential-refused": {
    exit: 7,
    next: "ask the operator for a new credential (`sealpost credential create`) and bootstrap with an empty --home",
  },
  "certificate-conflict": {
    exit: 7,
    next: "ask the operator to revoke the device that used it (`sealpost device revoke`) and for a new credential (`sealpost credential create`), and bootstrap with an empty --home",
  },
  // 8: an authentic no
  refused: { exit: 8, next: "correct what it names and run the command again" },
  revoked: { exit: 8, next: "ask the operator; a new credential package in an empty --home makes a new device" },
  gone: { exit: 8, next: "fetch the receipt and erase the keys: `sealpost-device deregister`" },
  // 9: what became of a message
  "not-delivered": { exit: 9, next: "run the command again; it goes out under a new number" },
  "fate-unknown": {
    exit: 9,
    next: "look at what the service knows of this device before you send it again; `sealpost-device status` lists it",
  },
  "reply-invalid": { exit: 9, next: "update the device software, or tell the operator" },
  // 10: firmware
  "firmware-rejected": { exit: 10, next: "tell the operator, who signed the release" },
  "firmware-failed": { exit: 10, next: "tell the operator, who signed the release" },
  // 11: this machine
  "output-lost": {
    exit: 11,
    next: "the command itself did what it does; see with `sealpost-device status` where things are",
  },
  "home-busy": { exit: 11, next: "wait for it to end and try again" },
  "home-denied": {
    exit: 11,
    next: "what the system means by its code is not known here: look at the file it names and at the disk, or name another --home",
  },
  "home-broken": { exit: 11, next: `restore the state from a backup (never the keys); or ${startAfresh}` },
  "home-unsafe": {
    exit: 11,
    next: "take that right away from them (`chmod go-w`), or name a folder of its own as --home",
  },
  "home-changed": {
    exit: 11,
    next: "run the command again; if it stays, find what else works in this home: only one process may, and no two machines",
  },
  "no-space": {
    exit: 11,
    next: "free some space and run the same command again; it goes on where it stopped",
  },
  "slots-broken": { exit: 11, next: "remove that one file, and say what runs: `sealpost-device register --help`" },
  "keys-missing": { exit: 11, next: startAfresh },
} as const satisfies Record<FailureCode, { exit: ExitCode; next: string }>;

/** Advice where what came back says more than the code does. */
const circumstances = {
  "other-service-answers":
    "check the address (--via). Only if the service of this device is gone for good, as a local stack that was started afresh: get a new credential and use an empty --home",
  "nobody-on-this-machine":
    "nothing listens at that address of this machine: start what should, the relay that --via names or the local stack (`npm run up`), and run the same command again; whether that stack still knows this device cannot be told from here",
} as const satisfies Record<Circumstance, string>;

const ownership = "correct owner and permissions, or name another --home";
const otherKind = "something else is in the place of that file or folder: move it away, or name another --home";

/** Advice by the system's code (errno) of a file that could not be read or written. */
const systemCodes: { readonly [errno: string]: string } = {
  EACCES: ownership,
  EPERM: ownership,
  EROFS: "it lies on a file system that is mounted read-only: mount it to be written, or name another --home",
  ENOTDIR: otherKind,
  EISDIR: otherKind,
  ELOOP: otherKind,
  EMFILE: "too many files are open: raise the limit (`ulimit -n`), or end what holds them",
  ENFILE: "too many files are open on this machine: end what holds them",
  EIO: "the disk does not answer as it should: look at the system's log before anything else is written to it",
};

/** Advice that names the file. */
const aboutPath: { readonly [code in DeviceErrorCode]?: (path: string) => string } = {
  "home-unsafe": (path) =>
    `run \`chmod go-w ${path}\`, or name a folder of its own as --home; a file system that knows no permissions (FAT) has to be mounted with umask=077`,
  "no-space": (path) =>
    `free some space where ${path} lies, and run the same command again; it goes on where it stopped`,
  "slots-broken": (path) =>
    `the device's identity is not in it: remove ${path}, and say what runs with \`sealpost-device register --firmware-version NAME --firmware-counter N\``,
};

/** What to do next, by the most telling thing that is known. */
export function adviceFor(
  error: Pick<DeviceError, "code" | "circumstance" | "cause"> & { readonly path?: string | undefined },
): string {
  const { code, circumstance, cause, path } = error;
  if (circumstance) return circumstances[circumstance];
  const named = path === undefined ? undefined : aboutPath[code]?.(path);
  const bySystem = code === "home-denied" ? systemCodes[errorCode(cause) ?? ""] : undefined;
  return named ?? bySystem ?? failures[code].next;
}

/** The table of exit codes and the error codes behind each. */
export function exitCodeHelp(): string {
  const lines = Object.entries(exitCodes).map(([exit, meaning]) => {
    const codes = Object.entries(failures)
      .filter(([, failure]) => String(failure.exit) === exit)
      .map(([code]) => code);
    const listed = codes.length > 0 ? `: ${codes.join(", ")}` : "";
    return `  ${exit.padStart(2)}  ${meaning}${listed}`;
  });
  return ["Exit codes:", ...lines].join("\n");
}
