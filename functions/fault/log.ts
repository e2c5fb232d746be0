export type Fields = { readonly [field: string]: string | number | boolean | undefined };

/**
 * The one structured line of an invocation, as JSON on standard output. Fields are names, codes, ids and durations; never a token, key, secret,
 * body or whole event.
 */
export function logInvocation(fields: Fields): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}
