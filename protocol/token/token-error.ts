/** Why a token or signed document was not accepted. For logs and local errors; never sent to an unauthenticated peer. */
export type TokenErrorCode =
  | "too-large"
  | "base64url"
  | "json"
  | "compact-form"
  | "jwe-header"
  | "jws-header"
  | "unknown-key"
  /** A request is sealed to a key that the service does not have, or not any more. */
  | "retired-key"
  | "decryption"
  | "signature"
  | "claims"
  | "issuer"
  | "audience"
  | "key-binding"
  | "request-binding"
  | "version"
  | "expired";

/** The one exception that opening a token throws; branch on `code`. `detail` names a member, never its value. */
export class TokenError extends Error {
  readonly code: TokenErrorCode;
  readonly detail: string;

  constructor(code: TokenErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = "TokenError";
    this.code = code;
    this.detail = detail;
  }
}

/** Narrows an unknown exception by its shape, since bundling may duplicate classes. */
export function isTokenError(error: unknown): error is TokenError {
  return error instanceof Error && error.name === "TokenError" && "code" in error;
}
