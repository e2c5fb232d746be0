export type LocalFaultCode =
  | "already_running"
  | "certificate"
  | "command_failed"
  | "command_timeout"
  | "deploy_failed"
  | "emulator_failed"
  | "interrupted"
  | "leak_scan_blind"
  | "node_too_old"
  | "not_running"
  | "port_unavailable"
  | "python_missing"
  | "python_packages"
  | "python_too_old"
  | "python_venv_missing"
  | "remote_endpoint"
  | "state_unreadable";

/** Something a user can act on: the message says what happened and what to do, so it is printed without a stack. */
export class LocalFault extends Error {
  readonly code: LocalFaultCode;

  constructor(code: LocalFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
