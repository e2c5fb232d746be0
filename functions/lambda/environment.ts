/**
 * Declares the environment of a function once: the handler reads it at start, and its construct in `infra/` takes the
 * same type, so that a name that is missing there does not compile.
 *
 * @returns a reader of all names at once; it throws a fault that lists every name that is absent or empty, because a
 * function that starts with half of its configuration fails later and further away.
 */
export function defineEnvironment<const Name extends string>(
  ...names: readonly Name[]
): (source?: Readonly<Record<string, string | undefined>>) => Readonly<Record<Name, string>> {
  return (source = process.env) => {
    const missing = names.filter((name) => !source[name]);
    if (missing.length > 0) {
      throw new Error(
        `the environment lacks ${missing.join(", ")}: deploy this function with its construct, which sets every name`,
      );
    }
    return Object.fromEntries(names.map((name) => [name, source[name]])) as Record<Name, string>;
  };
}
