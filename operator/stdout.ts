/** Standard output could not be written; `code` says why. */
type OutputError = Error & { readonly code: string };

/**
 * Writes to standard output and waits until it is taken.
 * @throws OutputError: a reader that has gone (`EPIPE`, as behind `| head`), a disk that is full …
 */
export async function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (cause) => {
      if (!cause) return resolve();
      const code = "code" in cause ? String(cause.code) : "unknown reason";
      const error = new Error(`Standard output cannot be written (${code}).`, { cause });
      return reject(Object.assign(error, { name: "OutputError", code }));
    });
  });
}

export function isOutputError(error: unknown): error is OutputError {
  return error instanceof Error && error.name === "OutputError";
}
