/**
 * What an unauthenticated peer may be told (RFC 9457). One uniform answer, `not-accepted`, stands for every reason that a token did not open;
 * the rest is what anyone could work out without us. Bodies are constant but for members named here.
 */
export const problems = {
  "not-accepted": { status: 400, title: "The message was not accepted." },
  "too-large": { status: 413, title: "The message is larger than the service takes." },
  throttled: { status: 429, title: "Too many requests; try again later." },
  /** Carries `keySet` and `trust`, both signed: the device seals the same message to a present key. */
  "key-retired": { status: 409, title: "The message is sealed to a key that the service no longer uses." },
  unavailable: { status: 503, title: "The service cannot answer now; try again later." },
  /** Bootstrap and operator routes, whose peers are authenticated by TLS, credential or IAM. */
  "invalid-request": { status: 400, title: "The request is not well formed." },
  unauthorized: { status: 401, title: "The first token is missing, expired or not valid here." },
  forbidden: { status: 403, title: "The caller is not an operator that IAM names." },
  "certificate-conflict": { status: 409, title: "Another key pair already used this credential." },
  "not-found": { status: 404, title: "There is no such resource." },
  "not-trusted-yet": { status: 409, title: "No trust document is published yet." },
  "commands-full": { status: 409, title: "As many commands of the device wait as may." },
  conflict: { status: 409, title: "The request contradicts what is stored." },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

export const problemMediaType = "application/problem+json";

/** The members of RFC 9457 §3.1 plus `code`, the stable name to branch on, and what the problem carries. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  [member: string]: unknown;
};

export function problem(code: ProblemCode, more: { [member: string]: unknown } = {}): Problem {
  return { type: `urn:sealpost:problem:${code}`, ...problems[code], code, ...more };
}
