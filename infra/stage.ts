import { isLoopback } from "@sealpost/protocol/loopback.ts";
import { areMembers, members, problemsOf } from "./props.ts";
import type { SealpostMembers } from "./props.ts";

/** `emulator` is there in stage `local` alone, and is all that makes it differ from production. */
export type StageConfig = SealpostMembers &
  (
    | { readonly name: "production"; readonly emulator?: never }
    | { readonly name: "local"; readonly emulator: { readonly assetsBucket: string } }
  );

/** Everything that may come from outside: CDK context (any JSON, or text from `-c`) and the environment. */
export interface StageInput {
  readonly context: Readonly<Record<string, unknown>>;
  /** `AWS_ENDPOINT_URL` */
  readonly endpoint: string | undefined;
}

export type StageReading = { readonly stage: StageConfig } | { readonly problem: string };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const names = ["local", "production"] as const;

/** Members that a local stack takes by the way: it lives as long as its data. */
const experiments = ["keyGeneration", "signingCustody", "decryptionCustody", "custodyHandover"] as const;
/** The names of context that each stage reads. */
const contextNames = {
  production: ["stage", "stages"],
  local: ["stage", "stages", "assetsBucket", ...experiments],
} as const satisfies Record<StageConfig["name"], readonly string[]>;
/** Names without a colon that the CDK's own commands write; all its others have one. */
const cdkNames = ["acknowledged-issue-numbers", "cli-telemetry"];

/** Checks a stage before anything is synthesised. A problem is one line: the member, why, and what to do. */
export function readStage({ context, endpoint }: StageInput): StageReading {
  const name = names.find((known) => known === context.stage);
  if (name === undefined) {
    const given = context.stage === undefined ? "no stage given" : `unknown stage ${JSON.stringify(context.stage)}`;
    return { problem: `${given}: pass -c stage=production, or -c stage=local for an emulator on this machine` };
  }
  const unread = problemOfContext(name, context);
  if (unread !== undefined) return { problem: `stage ${name}: ${unread}` };
  const lasting = isRecord(context.stages) ? context.stages[name] : undefined;
  if (!isRecord(lasting)) {
    return { problem: `stage ${name} has no members: add context.stages.${name} to cdk.json` };
  }
  const given = experiments.flatMap((name) => (context[name] === undefined ? [] : [[name, valueOf(context[name])]]));
  const config = { ...lasting, ...Object.fromEntries(given) };
  const correct = `correct context.stages.${name} in cdk.json`;
  const unknown = Object.keys(config).find((member) => !members.includes(member));
  if (unknown !== undefined) {
    return { problem: `stage ${name}: ${unknown} is not a member (${members.join(", ")}): ${correct}` };
  }
  if (!areMembers(config)) return { problem: `stage ${name}: ${problemsOf(config).join("; ")}: ${correct}` };
  return name === "production"
    ? { stage: { ...config, name } }
    : readEmulator({ ...config, name }, context.assetsBucket, endpoint);
}

/** Text of the command line as the value that it names; what is neither number nor truth is shown as it was given. */
function valueOf(text: unknown): unknown {
  if (text === "true" || text === "false") return text === "true";
  return Number(text) || text;
}

/** What is given and read by nobody would be taken for done, and what is given once is forgotten by the next deploy. */
function problemOfContext(stage: StageConfig["name"], context: Readonly<Record<string, unknown>>): string | undefined {
  const read = new Set<string>([...contextNames[stage], ...cdkNames]);
  const unread = Object.keys(context).filter((name) => !name.includes(":") && !read.has(name));
  if (unread.length === 0) return undefined;
  const member = unread.find((name) => members.includes(name));
  return member === undefined
    ? `nobody reads -c ${unread.join(", ")}: this stage reads ${contextNames[stage].join(", ")}, and from context.stages.${stage} in cdk.json ${members.join(", ")}`
    : `${member} is not taken from -c, because the next deploy without it would change it back: set it in context.stages.${stage} in cdk.json`;
}

/** Stage `local` destroys its data and bucket with the stack: it must never reach a real account. */
function readEmulator(
  stage: SealpostMembers & { readonly name: "local" },
  assetsBucket: unknown,
  endpoint: string | undefined,
): StageReading {
  const host = endpoint === undefined || !URL.canParse(endpoint) ? "" : new URL(endpoint).hostname;
  if (!isLoopback(host)) {
    const given = endpoint === undefined ? "not set" : JSON.stringify(endpoint);
    return {
      problem: `stage local: AWS_ENDPOINT_URL is ${given}, but must name an emulator on this machine, because this stage destroys its data with the stack: set it to http://127.0.0.1:<port>, or pass -c stage=production`,
    };
  }
  if (typeof assetsBucket !== "string" || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(assetsBucket)) {
    return {
      problem:
        "stage local: assetsBucket is missing or no bucket name, but an emulator has no bootstrap stack to take code from: create a bucket and pass -c assetsBucket=<name>",
    };
  }
  return { stage: { ...stage, emulator: { assetsBucket } } };
}
