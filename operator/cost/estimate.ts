import { assumed, counted, price, quotas } from "./rates.ts";

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
  const message = events ? counted.readings : counted.check;
  const readUnits = batch > 1 ? message.batchedReadUnits : message.readUnits;
  const writeUnits = batch > 1 ? message.batchedWriteUnits : message.writeUnits;
  const signatures = custody === "epoch" || custody === "signing-epoch" ? 0 : message.signatures;
  const decryptions = custody === "epoch" || custody === "decryption-epoch" ? 0 : message.decryptions;
  const { milliseconds, functionGigabytes } = assumed;
  const seconds = (milliseconds.message + signatures * milliseconds.sign + decryptions * milliseconds.decrypt) / 1_000;
  const replyBytes = message.replyBytes + assumed.replyHeadBytes / batch;
  const each = {
    KMS: signatures * price("kmsEccSign") + decryptions * price("kmsRsaDecrypt"),
    "API Gateway": price("httpApiRequest") / batch,
    Lambda: price("lambdaRequest") / batch + seconds * functionGigabytes * price("lambdaGigabyteSecond"),
    DynamoDB: readUnits * price("dynamodbReadUnit") + writeUnits * price("dynamodbWriteUnit"),
    CloudFront: price("cloudFrontHttpRequest") / batch + (replyBytes / 1e9) * price("cloudFrontGigabyteOut"),
    "CloudWatch logs": (assumed.logBytes / 1e9) * price("logsGigabyte"),
    EventBridge: events ? price("eventBridgeEvent") : 0,
  };
  const messagesPerMonth = devices * messagesPerDay * daysPerMonth;
  const services: Record<string, number> = Object.fromEntries(
    Object.entries(each).map(([name, dollars]) => [name, dollars * messagesPerMonth]),
  );
  services["KMS"] = (services["KMS"] ?? 0) + assumed.kmsKeys * price("kmsKeyMonth");
  const perMessage = sum(Object.values(each));
  const loads: Readonly<Record<string, number>> = {
    "KMS signatures (ECC)": signatures,
    "KMS decryptions (RSA)": decryptions,
    "HTTP API requests": 1 / batch,
    "Lambda, functions at once": seconds,
    "DynamoDB write units of a table": writeUnits,
    "DynamoDB read units of a table": readUnits,
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

/**
 * Dollars of AWS IoT Core for a million of the same exchanges, each a message to it and one back.
 * @param connection kept open, or made anew for each exchange: CONNECT and SUBSCRIBE are messages too, and a minute is counted
 * @param events each message besides makes one rule and one action of it
 */
export function iotCoreDollarsPerMillion(
  messagesPerDay: number,
  connection: "kept open" | "made anew",
  events: boolean,
): number {
  const messages = connection === "kept open" ? 2 : 4;
  const minutes = connection === "kept open" ? 1_440 / messagesPerDay : 1;
  const rules = events ? 2 * price("iotRuleOrAction") : 0;
  return (messages * price("iotMessage") + minutes * price("iotConnectionMinute") + rules) * 1e6;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
