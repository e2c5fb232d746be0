import type { DocumentVersions } from "../store/catch-up.ts";

/** How long a warm function may say what it read; as long as caches may keep `GET /keys`. */
const cachedSeconds = 60;

/**
 * The versions that replies carry. They are read at most once a minute and never waited for twice at once; what cannot be read is said as before, and as 0
 * at first: no message fails for it.
 * @param now Unix seconds
 */
export function cachedVersions(
  read: () => Promise<DocumentVersions>,
  now: () => number,
): () => Promise<DocumentVersions> {
  let last: DocumentVersions = { trustVersion: 0, keySetVersion: 0 };
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<DocumentVersions> | undefined;
  const refresh = async () => {
    last = await read().catch(() => last);
    readAt = now();
    reading = undefined;
    return last;
  };
  return () => {
    if (now() < readAt + cachedSeconds) return Promise.resolve(last);
    reading ??= refresh();
    return reading;
  };
}
