import { assumed, counted, prices, quotas } from "./rates.ts";

/** Which keys sign replies and decrypt requests: in KMS, or of an epoch in the function's memory. */
export const custodies = ["kms", "epoch", "signing-epoch", "decryption-epoch"] as const;
export type Custody = (typeof custodies)[number];

export type Traffic = {
  readonly devices: number;
  readonly messagesPerDay: number;
  readonly custody: Custody;
  /** Messages of one request, each of another device; 1: none is batched. */
  readonly batch: number;
  /** Whether every message is a reading that the default bus publishes. */
  readonly events: boolean;
};

export type Estimate = {
  readonly messagesPerMonth: number;
  /** Dollars a month, by service. */
  readonly services: Readonly<Record<string, number>>;
  readonly dollarsPerMonth: number;
  /** Without what a stack costs that does nothing. */
  readonly dollarsPerMillionMessages: number;
  readonly firstQuota: { readonly name: string; readonly devices: number };
};

const daysPerMonth = 365 / 12;

/** Pure arithmetic on counted units and listed prices. */
export function estimate({ devices, messagesPerDay, custody, batch, events }: Traffic): Estimate {
  const signatures = custody === "epoch" || custody === "signing-epoch" ? 0 : counted.signatures;
  const decryptions = custody === "epoch" || custody === "decryption-epoch" ? 0 : counted.decryptions;
  const { message, sign, decrypt } = assumed.milliseconds;
  const seconds = (message + signatures * sign + decryptions * decrypt) / 1_000;
  const each = {
    KMS: signatures * prices.kmsEccSign + decryptions * prices.kmsRsaDecrypt,
    "API Gateway": prices.httpApiRequest / batch,
    Lambda: prices.lambdaRequest / batch + seconds * assumed.functionGigabytes * prices.lambdaGigabyteSecond,
    DynamoDB: counted.readUnits * prices.dynamodbReadUnit + counted.writeUnits * prices.dynamodbWriteUnit,
    CloudFront: prices.cloudFrontHttpRequest / batch + (assumed.replyBytes / 1e9) * prices.cloudFrontGigabyteOut,
    "CloudWatch logs": (assumed.logBytes / 1e9) * prices.logsGigabyte,
    EventBridge: events ? prices.eventBridgeEvent : 0,
  };
  const messagesPerMonth = devices * messagesPerDay * daysPerMonth;
  const services: Record<string, number> = Object.fromEntries(
    Object.entries(each).map(([name, dollars]) => [name, dollars * messagesPerMonth]),
  );
  services["KMS"] = (services["KMS"] ?? 0) + counted.kmsKeys * prices.kmsKeyMonth;
  const perMessage = sum(Object.values(each));
  const loads: Readonly<Record<string, number>> = {
    "KMS signatures (ECC)": signatures,
    "KMS decryptions (RSA)": decryptions,
    "HTTP API requests": 1 / batch,
    "Lambda, functions at once": seconds,
    "DynamoDB write units of a table": counted.writeUnits,
    "DynamoDB read units of a table": counted.readUnits,
  };
  const perSecond = (messagesPerDay / 86_400) * assumed.peak;
  const reached = Object.entries(quotas)
    .map(([name, quota]) => ({ name, devices: Math.floor(quota / ((loads[name] ?? 0) * perSecond)) }))
    .sort((one, other) => one.devices - other.devices);
  return {
    messagesPerMonth,
    services,
    dollarsPerMonth: sum(Object.values(services)),
    dollarsPerMillionMessages: perMessage * 1e6,
    firstQuota: reached[0] ?? { name: "none", devices: Infinity },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
