export type LocalFaultCode =
  | "already-running"
  | "command-failed"
  | "deploy-failed"
  | "emulator-failed"
  | "interrupted"
  | "leak-scan-blind"
  | "not-running"
  | "port-unavailable"
  | "python-missing"
  | "python-packages"
  | "python-too-old"
  | "python-venv-missing"
  | "remote-endpoint"
  | "state-unreadable";

/** Something a user can act on: the message says what happened and what to do, so it is printed without a stack. */
export class LocalFault extends Error {
  readonly code: LocalFaultCode;

  constructor(code: LocalFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
