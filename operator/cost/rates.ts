import counts from "./counts.json" with { type: "json" };
import listed from "./prices.json" with { type: "json" };

/** What messages cost in calls and units: `npm run bench -- --check` counts them. */
export const counted = counts;

export type PriceName = keyof typeof listed;

/** List prices of us-east-1 in US dollars for one, without free tiers and volume steps; prices.json says where each was seen. */
export function price(name: PriceName): number {
  return listed[name].dollars / listed[name].per;
}

/** What no page that could be read confirms. */
export const notConfirmed: readonly string[] = Object.entries(listed)
  .filter(([, { confirmed }]) => !confirmed)
  .map(([name]) => name);

/** Where each price was seen, and when that was known. */
export const priceList: readonly ListedPrice[] = Object.entries(listed).map(([name, entry]) => ({ name, ...entry }));
export type ListedPrice = {
  readonly name: string;
  readonly dollars: number;
  readonly per: number;
  readonly source: string;
  readonly known: string;
  readonly confirmed: boolean;
  readonly note?: string;
};

/** Quotas of a new account in us-east-1, a second; none of them is confirmed. */
export const quotas = {
  "KMS signatures (ECC)": 1_000,
  "KMS decryptions (RSA)": 1_000,
  "HTTP API requests": 10_000,
  "Lambda, functions at once": 1_000,
  "DynamoDB write units of a table": 40_000,
  "DynamoDB read units of a table": 40_000,
} as const;

/** What nobody can count on one machine: assumed, and the same for all. */
export const assumed = {
  functionGigabytes: 1,
  /** Of a message without KMS, and of each KMS call in turn. */
  milliseconds: { message: 12, sign: 25, decrypt: 23 },
  /** Head of an HTTP answer as CloudFront sends it. */
  replyHeadBytes: 400,
  logBytes: 300,
  /** The busiest second, times the mean: devices spread their polls. */
  peak: 2,
  /** Keys of a stack in KMS. */
  kmsKeys: 10,
} as const;
