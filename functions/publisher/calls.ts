/** What one call of a service takes. */
export type Most = { readonly entries: number; readonly bytes: number };

/** As many as fit into one call, in their order; what is too large by itself makes a call of its own. */
export function splitIntoCalls<T>(all: readonly T[], bytesOf: (one: T) => number, most: Most): T[][] {
  const calls: T[][] = [];
  let bytes = 0;
  for (const one of all) {
    const size = bytesOf(one);
    const last = calls.at(-1);
    if (last && last.length < most.entries && bytes + size <= most.bytes) {
      last.push(one);
      bytes += size;
    } else {
      calls.push([one]);
      bytes = size;
    }
  }
  return calls;
}
