import type { Releases } from "../exchanges/exchange.ts";
import type { Store } from "../store/port.ts";
import { type ReleaseRecord, parseRecord, releaseRecordSchema } from "../store/records.ts";

/** Releases and content keys that a warm function remembers; both are small, and a stack has few. */
const remembered = 64;

/** @param unwrap decrypts a wrapped content key, bound to the name of its object */
export function releases(
  store: Pick<Store, "read">,
  unwrap: (wrappedKey: string, context: { object: string }) => Promise<Uint8Array>,
): Releases {
  const known = new Map<string, ReleaseRecord>();
  const contentKeys = new Map<string, Promise<Uint8Array>>();

  const read = async (target: string, counter: number) => {
    const [item] = await store.read([{ table: "releases", key: { target, counter } }]);
    if (!item) return undefined;
    const record = parseRecord(releaseRecordSchema, item);
    remember(known, name(target, record.release.counter), record);
    return record;
  };

  return {
    newest: (target) => read(target, 0),
    get: async (target, counter) => known.get(name(target, counter)) ?? (await read(target, counter)),
    contentKey({ release: { object }, wrappedKey }) {
      const opened = contentKeys.get(object);
      if (opened) return opened;
      const opening = unwrap(wrappedKey, { object });
      opening.catch(() => contentKeys.delete(object));
      remember(contentKeys, object, opening);
      return opening;
    },
  };
}

function name(target: string, counter: number): string {
  return `${target}#${counter}`;
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > remembered && oldest !== undefined) map.delete(oldest);
}
