/** How many of something are worked on at once: enough to hide waiting, few enough for the connections of a client. */
const atOnce = 16;

/**
 * Does some work for each, several at a time.
 * @returns what came of each, in the order of the items
 * @throws as `work` does; the others go on
 */
export async function forEach<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const lane = async () => {
    for (const [at, item] of rest) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}
