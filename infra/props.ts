import { RetentionDays } from "aws-cdk-lib/aws-logs";

import { custodies, epochDays } from "../functions/custody/custodies.ts";
import { type EventsTarget, isEventsTarget } from "./events-target.ts";
import type { FunctionCode } from "./function-code.ts";

/** Requests a second and burst of one route, above which API Gateway answers 429 itself. */
export interface Throttle {
  readonly rate: number;
  readonly burst: number;
}

/** What a service is configured with. */
export interface SealpostProps {
  /**
   * Names this service in every token (`aud`, `iss`). Devices keep it for life: choose it once and never change it.
   * 3 to 48 letters, digits or `. : _ -`, the first a letter or digit.
   */
  readonly serviceId: string;
  /**
   * Rises by one after a restore of the tables: it retires the decryption key and fences stalled writers.
   * @default 1
   */
  readonly keyGeneration?: number;
  /**
   * Days, one of the periods that CloudWatch Logs knows.
   * @default 365
   */
  readonly logRetentionDays?: number;
  /**
   * Days after which a replaced or deleted firmware object is gone for good.
   * @default 30
   */
  readonly firmwareNoncurrentDays?: number;
  /**
   * For each of the two bootstrap routes.
   * @default 50 a second, burst 100
   */
  readonly bootstrapThrottle?: Throttle;
  /**
   * For `POST /messages`, and for `POST /batches` so many messages in full batches: a hundredth of it in requests.
   * @default 500 a second, burst 1000
   */
  readonly messageThrottle?: Throttle;
  /**
   * Where the private key is that signs replies: in KMS for good, or `epoch`: a key that changes, wrapped by KMS, in the clear in the memory of the
   * message function.
   * @default "kms"
   */
  readonly signingCustody?: "kms" | "epoch";
  /**
   * The same of the key that requests are sealed to. A key that is erased opens no request that somebody recorded.
   * @default "kms"
   */
  readonly decryptionCustody?: "kms" | "epoch";
  /**
   * Days for which a key of custody `epoch` signs replies, 8 to 365.
   * @default 8
   */
  readonly signingEpochDays?: number;
  /**
   * Days for which requests are sealed to a key of custody `epoch`, 8 to 365. It is erased about 15 days after its last one.
   * @default 8
   */
  readonly decryptionEpochDays?: number;
  /**
   * Set with the deployment that changes a custody: keys of the other custody then serve on, until what was sealed to them, or will be signed by them,
   * may no longer come. The log of the key-set function says how many are still `leaving`; take it away when there are none.
   * @default false: they end at once, and a message that was under way is sealed again
   */
  readonly custodyHandover?: boolean;
  /**
   * Where what happens, and what devices measured, is published: a bus, queue, stream or delivery stream, or the ARN of one.
   * @default a bus of EventBridge of its own
   */
  readonly events?: EventsTarget | string;
  /**
   * Whether tables, keys, firmware and logs outlive the stack, and refuse to be deleted before.
   * @default true
   */
  readonly retain?: boolean;
  /**
   * For an emulator, which speaks plain HTTP: leaves out the conditions that want TLS, and adds a queue for `sealpost events tail`.
   * @default false
   */
  readonly emulated?: boolean;
  /**
   * For each function a directory with an `index.mjs`, in place of what this package brings.
   * @default the package's own
   */
  readonly functionCode?: FunctionCode;
}

/** What `context.stages.<name>` in cdk.json may hold: plain values. */
export type SealpostMembers = Omit<SealpostProps, "events" | "retain" | "emulated" | "functionCode"> & {
  /** ARN. */
  readonly events?: string;
};

/** Those of production, wherever it is deployed from. */
export const defaults = {
  keyGeneration: 1,
  logRetentionDays: 365,
  firmwareNoncurrentDays: 30,
  bootstrapThrottle: { rate: 50, burst: 100 },
  messageThrottle: { rate: 500, burst: 1000 },
  signingCustody: "kms",
  decryptionCustody: "kms",
  signingEpochDays: epochDays.least,
  decryptionEpochDays: epochDays.least,
  custodyHandover: false,
  events: undefined,
  retain: true,
  emulated: false,
} as const satisfies Omit<SealpostProps, "serviceId" | "functionCode">;

interface Rule {
  readonly holds: (value: unknown) => boolean;
  /** Completes "… must be". */
  readonly expected: string;
  readonly why: string;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const retentionPeriods = Object.values(RetentionDays).filter((value) => typeof value === "number" && value < 9999);

const throttle = {
  holds: (value) => isRecord(value) && Object.keys(value).length === 2 && isCount(value.rate) && isCount(value.burst),
  expected: '{ "rate": requests a second, "burst": requests }, whole numbers from 1',
} as const satisfies Omit<Rule, "why">;

const custody = {
  holds: (value) => custodies.some((known) => known === value),
  expected: custodies.map((known) => JSON.stringify(known)).join(" or "),
} as const satisfies Omit<Rule, "why">;
const epochDaysRule = {
  holds: (value) => isCount(value) && value >= epochDays.least && value <= epochDays.most,
  expected: `a whole number of days from ${epochDays.least} to ${epochDays.most}`,
} as const satisfies Omit<Rule, "why">;

const rules = {
  serviceId: {
    holds: (value) => typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9.:_-]{2,47}$/.test(value),
    expected: "3 to 48 letters, digits or . : _ -, and begin with a letter or digit",
    why: "every token names it and devices keep it for life",
  },
  keyGeneration: {
    holds: isCount,
    expected: "a whole number from 1",
    why: "every commit is conditional on it",
  },
  logRetentionDays: {
    holds: (value) => retentionPeriods.some((period) => period === value),
    expected: `one of ${retentionPeriods.join(", ")}`,
    why: "CloudWatch Logs knows only these periods",
  },
  firmwareNoncurrentDays: {
    holds: isCount,
    expected: "a whole number of days from 1",
    why: "replaced firmware objects are kept that long",
  },
  bootstrapThrottle: {
    ...throttle,
    why: "it is what slows down guessing of credentials",
  },
  messageThrottle: {
    ...throttle,
    why: "each message costs RSA operations of KMS, whose quota the whole account shares",
  },
  signingCustody: { ...custody, why: "it says where the private key is that signs replies" },
  decryptionCustody: { ...custody, why: "it says where the private key is that requests are sealed to" },
  signingEpochDays: {
    ...epochDaysRule,
    why: "the next key is listed for a week before it is preferred, one at a time",
  },
  decryptionEpochDays: {
    ...epochDaysRule,
    why: "the next key is listed for a week before it is preferred, one at a time",
  },
  custodyHandover: {
    holds: (value) => typeof value === "boolean",
    expected: "true or false",
    why: "it lets keys of the other custody serve on",
  },
  events: {
    holds: isEventsTarget,
    expected:
      "the ARN of a bus of EventBridge, a queue of SQS (FIFO too), a stream of Kinesis or a delivery stream of Firehose",
    why: "events go nowhere else",
  },
} as const satisfies Record<keyof SealpostMembers, Rule>;

/** The names that a stage may give. */
export const members = Object.keys(rules);

/** What is wrong with these members, for people: each member, what it is, what it must be and why. Empty when all hold. */
export function problemsOf(given: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(rules).flatMap(([member, { holds, expected, why }]) => {
    const value = given[member];
    if (value === undefined ? member in defaults : holds(value)) return [];
    const found = value === undefined ? "is missing" : `is ${JSON.stringify(value)}`;
    return [`${member} ${found}, but must be ${expected}, because ${why}`];
  });
}

export function areMembers(
  given: Readonly<Record<string, unknown>>,
): given is Record<string, unknown> & SealpostMembers {
  return problemsOf(given).length === 0;
}
