import { RetentionDays } from "aws-cdk-lib/aws-logs";

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
   * For `POST /messages`.
   * @default 500 a second, burst 1000
   */
  readonly messageThrottle?: Throttle;
  /**
   * Whether tables, keys, firmware and logs outlive the stack, and refuse to be deleted before.
   * @default true
   */
  readonly retain?: boolean;
  /**
   * For an emulator, which speaks plain HTTP to S3: leaves out the condition that wants TLS.
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
export type SealpostMembers = Omit<SealpostProps, "retain" | "emulated" | "functionCode">;

/** Those of production, wherever it is deployed from. */
export const defaults = {
  keyGeneration: 1,
  logRetentionDays: 365,
  firmwareNoncurrentDays: 30,
  bootstrapThrottle: { rate: 50, burst: 100 },
  messageThrottle: { rate: 500, burst: 1000 },
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
