/** One try a call: what failed is sent again by `publish`, which knows of what is left of the time. Milliseconds. */
export const targetSettings = {
  maxAttempts: 1,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
} as const;
