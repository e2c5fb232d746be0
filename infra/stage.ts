import { RetentionDays } from "aws-cdk-lib/aws-logs";

/** Requests a second and burst of one route, above which API Gateway answers 429 itself. */
export interface Throttle {
  readonly rate: number;
  readonly burst: number;
}

/** What a deployment is configured with; the members of `context.stages.<name>` in cdk.json. */
export interface StageMembers {
  /** Names this service in every token (`aud`, `iss`) for the life of its devices. */
  readonly serviceId: string;
  /** Rises by one after a restore of the tables: it retires the decryption key and fences stalled writers. */
  readonly keyGeneration: number;
  /** Days, one of the periods that CloudWatch Logs knows. */
  readonly logRetentionDays: number;
  /** Days after which a replaced or deleted firmware object is gone for good. */
  readonly firmwareNoncurrentDays: number;
  /** Requests per second and burst, each for the two bootstrap routes. */
  readonly bootstrapThrottle: Throttle;
  /** The same for `POST /messages`. */
  readonly messageThrottle: Throttle;
}

/** `emulator` is there in stage `local` alone, and is all that makes it differ from production. */
export type StageConfig = StageMembers &
  (
    | { readonly name: "production"; readonly emulator?: never }
    | { readonly name: "local"; readonly emulator: { readonly assetsBucket: string } }
  );

/** Everything that may come from outside: CDK context (any JSON, or text from `-c`) and the environment. */
export interface StageInput {
  readonly stage: unknown;
  readonly stages: unknown;
  readonly serviceId: unknown;
  /** For stage `local` alone: a generation that lasts has its place in cdk.json. */
  readonly keyGeneration?: unknown;
  readonly assetsBucket: unknown;
  /** `AWS_ENDPOINT_URL` */
  readonly endpoint: string | undefined;
}

export type StageReading = { readonly stage: StageConfig } | { readonly problem: string };

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
} as const satisfies Record<keyof StageMembers, Rule>;

const names = ["local", "production"] as const;
const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|.+\.localhost)$/;

function isMembers(value: Record<string, unknown>): value is Record<string, unknown> & StageMembers {
  return Object.entries(rules).every(([member, rule]) => rule.holds(value[member]));
}

/** Checks a stage before anything is synthesised. A problem is one line: the member, why, and what to do. */
export function readStage(input: StageInput): StageReading {
  const name = names.find((known) => known === input.stage);
  if (name === undefined) {
    const given = input.stage === undefined ? "no stage given" : `unknown stage ${JSON.stringify(input.stage)}`;
    return { problem: `${given}: pass -c stage=production, or -c stage=local for an emulator on this machine` };
  }
  const members = isRecord(input.stages) ? input.stages[name] : undefined;
  if (!isRecord(members)) {
    return { problem: `stage ${name} has no members: add context.stages.${name} to cdk.json` };
  }
  if (input.keyGeneration !== undefined && name === "production") {
    return {
      problem: `stage production: keyGeneration was given with -c, but the next deploy without it would bring the retired key back: set it in context.stages.production in cdk.json`,
    };
  }
  const given = {
    ...(input.serviceId === undefined ? {} : { serviceId: input.serviceId }),
    ...(input.keyGeneration === undefined ? {} : { keyGeneration: Number(input.keyGeneration) }),
  };
  const config = { ...members, ...given };
  const unknown = Object.keys(config).find((member) => !Object.hasOwn(rules, member));
  if (unknown !== undefined) {
    const known = Object.keys(rules).join(", ");
    return {
      problem: `stage ${name}: ${unknown} is not a member (${known}): correct context.stages.${name} in cdk.json`,
    };
  }
  if (!isMembers(config)) {
    return { problem: describe(name, config, given) };
  }
  return name === "production" ? { stage: { ...config, name } } : readEmulator({ ...config, name }, input);
}

/** `given` holds what came from the command line instead of the stage's own members. */
function describe(stage: string, config: Record<string, unknown>, given: object): string {
  const broken = Object.entries(rules).filter(([member, rule]) => !rule.holds(config[member]));
  const problems = broken.map(([member, { expected, why }]) => {
    const value = config[member];
    const found = value === undefined ? "is missing" : `is ${JSON.stringify(value)}`;
    return `${member} ${found}, but must be ${expected}, because ${why}`;
  });
  const sources = broken.map(([member]) =>
    Object.hasOwn(given, member) ? `-c ${member}` : `context.stages.${stage} in cdk.json`,
  );
  return `stage ${stage}: ${problems.join("; ")}: correct ${[...new Set(sources)].join(" and ")}`;
}

/** Stage `local` destroys its data and bucket with the stack: it must never reach a real account. */
function readEmulator(members: StageMembers & { readonly name: "local" }, input: StageInput): StageReading {
  const host = input.endpoint === undefined || !URL.canParse(input.endpoint) ? "" : new URL(input.endpoint).hostname;
  if (!loopback.test(host)) {
    const given = input.endpoint === undefined ? "not set" : JSON.stringify(input.endpoint);
    return {
      problem: `stage local: AWS_ENDPOINT_URL is ${given}, but must name an emulator on this machine, because this stage destroys its data with the stack: set it to http://127.0.0.1:<port>, or pass -c stage=production`,
    };
  }
  if (typeof input.assetsBucket !== "string" || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(input.assetsBucket)) {
    return {
      problem:
        "stage local: assetsBucket is missing or no bucket name, but an emulator has no bootstrap stack to take code from: create a bucket and pass -c assetsBucket=<name>",
    };
  }
  return { stage: { ...members, emulator: { assetsBucket: input.assetsBucket } } };
}
