/** A stored item: attributes by name. Its key attributes are those of its table. */
export type Item = { readonly [attribute: string]: unknown };

/** Tables and their key attributes; shapes, lifetimes and writers are in docs/storage.md. */
export const tables = {
  credentials: ["credentialId"],
  devices: ["deviceId", "item"],
  releases: ["target", "counter"],
  trust: ["item"],
  epochs: ["item"],
  journal: ["target", "at"],
} as const satisfies Record<string, readonly string[]>;
export type Table = keyof typeof tables;

export type Key = { readonly table: Table; readonly key: Item };

/** Names a key among those of all tables. */
export function pathOf({ table, key }: Key): string {
  return JSON.stringify([table, ...tables[table].map((name) => key[name])]);
}

/**
 * One change: an item put whole. `absent`: nothing may be stored under its key; otherwise what is stored must have these values. Decisions
 * return lists of them; they are plain data, the same for DynamoDB, memory and whatever injects faults between.
 */
export type Put = {
  readonly table: Table;
  readonly item: Item;
  readonly when: "absent" | { readonly [attribute: string]: string | number };
};

/** Secondary indexes, for people's lists alone: eventually consistent. */
export const indexes = {
  list: { credentials: "shard", devices: "shard", releases: "shard" },
  byDay: { journal: "day" },
} as const;

/** What a list is ordered by. */
export function sortAttribute(table: Table, index: keyof typeof indexes | undefined): string {
  if (index === "byDay" || table === "releases") return index ? "at" : "counter";
  return index ? tables[table][0] : (tables[table][1] ?? tables[table][0]);
}

export type ListRequest = {
  readonly table: Table;
  readonly index?: "list" | "byDay";
  /** Partition key attribute and its value. */
  readonly partition: readonly [attribute: string, value: string];
  /** Of the sort key. */
  readonly beginsWith?: string;
  readonly limit: number;
  /** Opaque; from the page before, or from another partition of the same index: what is behind its place. One that is not of this list (store/cursor.ts) is a fault. */
  readonly cursor?: string;
  /** Newest first. */
  readonly descending?: boolean;
};

export type Page = { readonly items: readonly Item[]; readonly cursor?: string };

export type Store = {
  /** Strongly consistent, in one call, in the order of the keys; at most 100. */
  read(keys: readonly Key[]): Promise<readonly (Item | undefined)[]>;
  /** All or nothing, in one call. `false`: a condition did not hold or another write was faster, and nothing was written. */
  write(puts: readonly Put[]): Promise<boolean>;
  /** Lists are for people: nothing is decided by them. */
  list(request: ListRequest): Promise<Page>;
};
