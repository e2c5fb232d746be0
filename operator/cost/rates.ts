/**
 * List prices of us-east-1 in US dollars, as of November 2026, without free tiers and volume steps. Compare them with the pages before you decide by them:
 * https://aws.amazon.com/kms/pricing/, …/api-gateway/pricing/, …/lambda/pricing/, …/dynamodb/pricing/on-demand/, …/cloudfront/pricing/,
 * …/cloudwatch/pricing/, …/eventbridge/pricing/
 */
export const prices = {
  kmsRsaDecrypt: 0.03 / 10_000,
  kmsEccSign: 0.15 / 10_000,
  httpApiRequest: 1 / 1e6,
  lambdaRequest: 0.2 / 1e6,
  /** arm64 */
  lambdaGigabyteSecond: 0.0000133334,
  dynamodbReadUnit: 0.125 / 1e6,
  dynamodbWriteUnit: 0.625 / 1e6,
  cloudFrontHttpRequest: 0.75 / 1e6,
  cloudFrontGigabyteOut: 0.085,
  logsGigabyte: 0.5,
  eventBridgeEvent: 1 / 1e6,
  kmsKeyMonth: 1,
} as const;

/** Quotas of a new account in us-east-1, a second. */
export const quotas = {
  "KMS signatures (ECC)": 1_000,
  "KMS decryptions (RSA)": 1_000,
  "HTTP API requests": 10_000,
  "Lambda, functions at once": 1_000,
  "DynamoDB write units of a table": 40_000,
  "DynamoDB read units of a table": 40_000,
} as const;

/** What a firmware check costs, as `test/e2e/calls.test.ts` counts it. */
export const counted = { readUnits: 4, writeUnits: 1, signatures: 1, decryptions: 1, kmsKeys: 9 } as const;

/** What nobody can count on one machine: assumed, and the same for all. */
export const assumed = {
  functionGigabytes: 1,
  /** Of a message without KMS, and of each KMS call in turn. */
  milliseconds: { message: 12, sign: 25, decrypt: 23 },
  replyBytes: 1_900,
  logBytes: 300,
  /** The busiest second, times the mean: devices spread their polls. */
  peak: 2,
} as const;
