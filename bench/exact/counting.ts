import type { PresentKeys } from "../../functions/custody/port.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";
import { type Item, type Put, type Store, pathOf } from "../../functions/store/port.ts";

/** Calls and units, as AWS would count them. */
export type Counts = {
  reads: number;
  /** 4 KiB each, strongly consistent; an item that is not there costs one. */
  readUnits: number;
  writes: number;
  /** 1 KiB each of the larger of the item before and after; twice in a transaction. Those of secondary indexes are not in it. */
  writeUnits: number;
  decryptions: number;
  signatures: number;
};

export function noCounts(): Counts {
  return { reads: 0, readUnits: 0, writes: 0, writeUnits: 0, decryptions: 0, signatures: 0 };
}

const readUnit = 4_096;
const writeUnit = 1_024;

/** Counts what goes through to a store. */
export function countingStore(store: Store, counts: () => Counts): Store {
  const stored = async (puts: readonly Put[]) => store.read(puts.map(({ table, item }) => ({ table, key: item })));
  return {
    async read(keys) {
      const items = await store.read(keys);
      const distinct = new Map(keys.map((key, n) => [pathOf(key), items[n]]));
      counts().reads += 1;
      counts().readUnits += [...distinct.values()].reduce((sum, item) => sum + units(item, readUnit), 0);
      return items;
    },
    async write(puts) {
      const before = await stored(puts);
      const sum = puts.reduce(
        (sum, { item }, n) => sum + Math.max(units(item, writeUnit), units(before[n], writeUnit)),
        0,
      );
      counts().writes += 1;
      counts().writeUnits += sum * (puts.length > 1 ? 2 : 1);
      return store.write(puts);
    },
    list: store.list.bind(store),
  };
}

function units(item: Item | undefined, unit: number): number {
  return Math.max(1, Math.ceil(itemBytes(item ?? {}) / unit));
}

/** Counts what the custody is asked to do: each is a call of KMS under custody `kms`. */
export function countingKeys({ replySigner, openers }: PresentKeys, counts: () => Counts): PresentKeys {
  return {
    replySigner: countingSigner(replySigner, counts),
    openers: openers.map((opener) => ({
      ...opener,
      open: async (...sealed) => {
        counts().decryptions += 1;
        return opener.open(...sealed);
      },
    })),
  };
}

export function countingSigner<S extends PresentKeys["replySigner"]>(signer: S, counts: () => Counts): S {
  return {
    ...signer,
    sign: async (data: Parameters<S["sign"]>[0]) => {
      counts().signatures += 1;
      return signer.sign(data);
    },
  };
}
