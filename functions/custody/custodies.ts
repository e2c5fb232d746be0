/** Names and bounds that a deployment is configured with, for its functions and its construct alike. */

/** What message keys are for. */
export const uses = ["signing", "decryption"] as const;
export type Use = (typeof uses)[number];

/** Where the private halves of a use are: in KMS for good, or wrapped by it, epoch by epoch. */
export const custodies = ["kms", "epoch"] as const;
export type Custody = (typeof custodies)[number];

/** One epoch waits at most, and it waits for a week and an hour, so that none is shorter than the least. */
export const epochDays = { least: 8, most: 365 } as const;
