/**
 * Makes something at its first use and keeps it. A failure is told to those who waited for it and then forgotten: a start that fails would cost
 * its invocation and every one after it, this one costs those alone.
 */
export function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
