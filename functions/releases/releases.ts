import { gatheredReads } from "../store/gathered-reads.ts";
import type { Store } from "../store/port.ts";
import {
  type OffersRecord,
  type ReleaseRecord,
  offersRecordSchema,
  parseRecord,
  releaseRecordSchema,
} from "../store/records.ts";

/** Reads of releases; a release never changes, so what was read once is remembered. What is offered changes, so it is read for each, and once for all who ask at the same time. */
export type Releases = {
  offers(target: string): Promise<OffersRecord | undefined>;
  get(target: string, counter: number): Promise<ReleaseRecord | undefined>;
  /** Decrypts a release's content key, once for each release and warm function. */
  contentKey(release: ReleaseRecord): Promise<Uint8Array>;
};

/** Releases and content keys that a warm function remembers; both are small, and a stack has few. */
const remembered = 64;

/** @param unwrap decrypts a wrapped content key, bound to the name of its object */
export function releases(
  store: Pick<Store, "read">,
  unwrap: (wrappedKey: string, context: { object: string }) => Promise<Uint8Array>,
): Releases {
  const gathered = gatheredReads(store);
  const known = new Map<string, ReleaseRecord>();
  const contentKeys = new Map<string, Promise<Uint8Array>>();

  const read = async (target: string, counter: number) => {
    const [item] = await gathered.read([{ table: "releases", key: { target, counter } }]);
    return item;
  };

  return {
    async offers(target) {
      const item = await read(target, 0);
      return item && parseRecord(offersRecordSchema, item);
    },
    async get(target, counter) {
      const name = `${target}#${counter}`;
      const present = known.get(name);
      if (present) return present;
      const item = await read(target, counter);
      if (!item) return undefined;
      const record = parseRecord(releaseRecordSchema, item);
      remember(known, name, record);
      return record;
    },
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

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > remembered && oldest !== undefined) map.delete(oldest);
}
