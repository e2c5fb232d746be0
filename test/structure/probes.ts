/**
 * One thing of each kind that comes again and again, as small as it can be. An edit is a file of its own, or a row in
 * a table that names everything of its kind; each of them is taken back once, and its absence must not compile.
 */

type Create = { readonly create: string };
type Replace = { readonly replace: readonly (readonly [from: string, to: string])[] };
export type Edit = { readonly file: string; readonly row?: true } & (Create | Replace) & {
    /** Who notices when it is forgotten, where that is not the compiler. */
    readonly noticedBy?: string;
  };

export type Probe = {
  readonly adds: string;
  readonly edits: readonly Edit[];
  /** At most so many files that are not a row in a table. */
  readonly files: number;
  /** And so many rows. */
  readonly rows: number;
  readonly aim: string;
  /** Edits in place of those of the same file, each of which must not compile. */
  readonly mistakes?: readonly (Edit & { readonly what: string })[];
  /** Why the aim is not reached yet: told, and no failure. */
  readonly notYet?: string;
};

const refusals = "protocol/messages/refusals.ts";
const refusalAnchor = "  conflict: {\n";
const refusal: Probe = {
  adds: "a refusal",
  files: 2,
  rows: 0,
  aim: "the code with its properties; the text",
  edits: [
    {
      file: refusals,
      replace: [[refusalAnchor, `  tired: { stored: 200, final: true, detail: "Tired." },\n${refusalAnchor}`]],
      noticedBy: "nobody: it is the refusal",
    },
    {
      file: "docs/protocol.md",
      replace: [["| `conflict`              | yes", "| `tired` | yes | no | | |\n| `conflict`              | yes"]],
      noticedBy: "test/unit/documents.test.ts",
    },
  ],
  mistakes: [
    {
      what: "a refusal that does not say whether it is stored",
      file: refusals,
      replace: [[refusalAnchor, `  tired: { final: true, detail: "Tired." },\n${refusalAnchor}`]],
    },
  ],
};

const definition = (operation: string) => `
import * as z from "zod/mini";
import { defineExchange } from "./define-exchange.ts";
export const ping = defineExchange({
  operation: "${operation}",
  request: z.strictObject({ count: z.int() }),
  reply: z.object({ count: z.int() }),
});
`;
const served = (body: string, reply: string) => `
import { ping as exchange } from "@sealpost/protocol/exchanges/ping.ts";
import * as z from "zod/mini";
import { serve } from "./exchange.ts";
export const ping = serve(exchange, {
  runsIn: { provisioned: false, registered: true },
  acts: 0,
  result: z.object({ count: z.int() }),
  decide: ({ ${body} }) => ({ effect: { result: { count: ${body} } } }),
  reply: ({ count }) => ({ ${reply} }),
});
`;
const settled = (exchange: string, module: string) => `
import { ${exchange} } from "@sealpost/protocol/exchanges/${module}.ts";
import { settleRow } from "./delivery/settle-row.ts";
export const settlePing = settleRow(${exchange}, async () => (state) => state);
`;
const exchange: Probe = {
  adds: "an exchange",
  files: 4,
  rows: 2,
  aim: "definition, decision, device: its row and its verb",
  edits: [
    { file: "protocol/exchanges/ping.ts", create: definition("ping") },
    {
      file: "protocol/exchanges/exchanges.ts",
      row: true,
      replace: [
        [`import { renewal }`, `import { ping } from "./ping.ts";\nimport { renewal }`],
        ["  renewal,\n", "  renewal,\n  ping,\n"],
      ],
    },
    { file: "functions/exchanges/ping.ts", create: served("count", "count") },
    {
      file: "functions/exchanges/exchanges.ts",
      row: true,
      replace: [
        [`import { renewal }`, `import { ping } from "./ping.ts";\nimport { renewal }`],
        ["    renew: renewal(ports),\n", "    renew: renewal(ports),\n    ping,\n"],
      ],
    },
    { file: "device/ping.ts", create: settled("ping", "ping") },
    {
      file: "device/device.ts",
      replace: [
        [
          `import { settleRenewal }`,
          `import { ping } from "@sealpost/protocol/exchanges/ping.ts";\nimport { settlePing } from "./ping.ts";\nimport { settleRenewal }`,
        ],
        ["  [renewal.operation]:", "  [ping.operation]: settlePing,\n  [renewal.operation]:"],
        [
          "  /** Tells the service what this device is.",
          `  async ping(count: number): Promise<void> {
    const body = checkBody(ping, { count });
    const { outbox, patience } = await this.#begin();
    requireDone(await outbox.deliver(await outbox.enqueue(ping, body), patience));
  }

  /** Tells the service what this device is.`,
        ],
      ],
    },
  ],
  mistakes: [
    { what: "a body of another shape", file: "functions/exchanges/ping.ts", create: served("number", "count") },
    { what: "a reply of another shape", file: "functions/exchanges/ping.ts", create: served("count", "total: count") },
    { what: "the device's row of another exchange", file: "device/ping.ts", create: settled("renewal", "renewal") },
    { what: "an exchange under another name", file: "protocol/exchanges/ping.ts", create: definition("pong") },
  ],
};

const suites = "protocol/suites/suites.ts";
const requestAlgorithm: Probe = {
  adds: "a request algorithm",
  files: 1,
  rows: 1,
  aim: "one file in suites/, and vectors",
  edits: [
    {
      file: "protocol/suites/rsa-oaep-512.ts",
      create: `
import * as z from "zod/mini";
import { requestHeader } from "./a256gcm.ts";
import { rsaJwkSchema } from "./rsa-oaep-256.ts";
const alg = "RSA-OAEP-512";
export const rsaOaep512 = {
  alg,
  jwk: rsaJwkSchema,
  header: z.strictObject({ ...requestHeader, alg: z.literal(alg) }),
  key: { name: "RSA-OAEP", hash: "SHA-512" },
} as const;
`,
    },
    {
      file: suites,
      row: true,
      replace: [
        [`import { rsaOaep256 }`, `import { rsaOaep512 } from "./rsa-oaep-512.ts";\nimport { rsaOaep256 }`],
        ["requestSuites = [rsaOaep256,", "requestSuites = [rsaOaep256, rsaOaep512,"],
      ],
      noticedBy: "its vectors, which find no suite",
    },
  ],
  mistakes: [
    {
      what: "a suite without a header",
      file: "protocol/suites/rsa-oaep-512.ts",
      create: `
import { rsaJwkSchema } from "./rsa-oaep-256.ts";
export const rsaOaep512 = { alg: "RSA-OAEP-512", jwk: rsaJwkSchema } as const;
`,
    },
  ],
};

const signatureSuite = (bytes: string) => `
import * as z from "zod/mini";
export const es384 = {
  alg: "ES384",
  jwk: z.strictObject({ kty: z.literal("EC"), crv: z.literal("P-384"), x: z.string(), y: z.string() }),
  ${bytes}
  objectIdentifier: "1.2.840.10045.4.3.3",
  key: { name: "ECDSA", namedCurve: "P-384" },
  sign: { name: "ECDSA", hash: "SHA-384" },
} as const;
`;
const signatureAlgorithm: Probe = {
  adds: "a signature algorithm",
  files: 1,
  rows: 1,
  aim: "one file in suites/, and vectors",
  edits: [
    { file: "protocol/suites/es384.ts", create: signatureSuite("signatureBytes: 96,") },
    {
      file: suites,
      row: true,
      replace: [
        [`import { es256 }`, `import { es384 } from "./es384.ts";\nimport { es256 }`],
        ["signatureSuites = [es256]", "signatureSuites = [es256, es384]"],
      ],
      noticedBy: "its vectors, which find no suite",
    },
  ],
  mistakes: [
    {
      what: "a suite without the size of its signatures",
      file: "protocol/suites/es384.ts",
      create: signatureSuite(""),
    },
  ],
};

const softwareKeys = (method: string) => `
import type { ServerKeys } from "./port.ts";
export function softwareServerKeys(): ServerKeys {
  return { ${method}: async () => { throw new Error("not here"); } };
}
`;
const custody: Probe = {
  adds: "a custody of keys",
  files: 1,
  rows: 1,
  aim: "one folder, one construct (not counted here)",
  edits: [
    { file: "functions/custody/software.ts", create: softwareKeys("at") },
    {
      file: "functions/custody/server-keys.ts",
      row: true,
      replace: [
        ["import { kmsServerKeys,", `import { softwareServerKeys } from "./software.ts";\nimport { kmsServerKeys,`],
        [
          "return kmsServerKeys(",
          'return environment.MESSAGE_SIGNING_KEY === "" ? softwareServerKeys() : kmsServerKeys(',
        ],
      ],
      noticedBy: "requests under its keys, which are told of others",
    },
  ],
  mistakes: [
    { what: "a custody without a moment", file: "functions/custody/software.ts", create: softwareKeys("keys") },
  ],
};

const act: Probe = {
  adds: "an operator's act",
  files: 3,
  rows: 1,
  aim: "one row, its decision, its command",
  edits: [
    {
      file: "protocol/operator/audit.ts",
      replace: [
        [
          "export const auditActs = {\n",
          `export const auditActs = {
  countAudit: { method: "GET", path: "/operator/audit/count", duties: ["reading"], reply: z.object({ count: z.int() }) },
`,
        ],
      ],
    },
    {
      file: "functions/operator/audit.ts",
      replace: [
        [
          "export async function listAudit(",
          `export async function countAudit(): Promise<Answer<"countAudit">> {
  return { reply: { count: 0 } };
}

export async function listAudit(`,
        ],
      ],
    },
    {
      file: "functions/operator/decisions.ts",
      row: true,
      replace: [
        ["import { listAudit }", "import { countAudit, listAudit }"],
        ["  listAudit,\n", "  listAudit,\n  countAudit,\n"],
      ],
    },
    {
      file: "operator/commands/audit.ts",
      replace: [
        [
          "async function list(",
          `export async function count(_: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const reply = await service.ask("countAudit", {});
  await output.result(reply, String(reply.count));
}

async function list(`,
        ],
      ],
      noticedBy: "whoever looks for the command",
    },
  ],
  mistakes: [
    {
      what: "an answer of another shape",
      file: "functions/operator/audit.ts",
      replace: [
        [
          "export async function listAudit(",
          `export async function countAudit(): Promise<Answer<"countAudit">> {
  return { reply: { total: 0 } };
}

export async function listAudit(`,
        ],
      ],
    },
    {
      what: "an act that nobody may do",
      file: "protocol/operator/audit.ts",
      replace: [
        [
          "export const auditActs = {\n",
          `export const auditActs = {
  countAudit: { method: "GET", path: "/operator/audit/count", duties: [], reply: z.object({ count: z.int() }) },
`,
        ],
      ],
    },
  ],
};

const runsIn = (name: string): Edit => ({
  file: `functions/exchanges/${name}.ts`,
  row: true,
  replace: [["runsIn: {", "runsIn: { suspended: false,"]],
});
const status: Probe = {
  adds: "a status of a device",
  files: 1,
  rows: 10,
  aim: "a type error until every table has it",
  edits: [
    {
      file: "protocol/operator/devices.ts",
      replace: [["deviceStatuses = [", 'deviceStatuses = ["suspended", ']],
    },
    {
      file: "functions/registry/status.ts",
      row: true,
      replace: [["  provisioned: null,", "  suspended: null,\n  provisioned: null,"]],
    },
    {
      file: "functions/operator/devices.ts",
      row: true,
      replace: [[`    case "provisioned":\n`, `    case "suspended":\n    case "provisioned":\n`]],
    },
    ...["registration", "readings", "commands-next", "commands-result"].map(runsIn),
    ...["firmware-check", "firmware-report", "renewal", "deregistration"].map(runsIn),
  ],
};

const carrier: Probe = {
  adds: "a carrier of messages",
  files: 1,
  rows: 0,
  aim: "one file",
  edits: [
    {
      file: "functions/carriers/queue.ts",
      create: `
import { type Answered, answerMessage } from "../receive/answer.ts";
import type { MessagePorts } from "../receive/ports.ts";
export function makeQueueHandler(ports: MessagePorts, now: () => number) {
  return async (tokens: readonly string[]): Promise<readonly Answered[]> =>
    Promise.all(tokens.map((token) => answerMessage(ports, token, now())));
}
`,
      noticedBy: "nobody: it is the carrier",
    },
  ],
};

export const probes: readonly Probe[] = [
  refusal,
  exchange,
  requestAlgorithm,
  signatureAlgorithm,
  custody,
  act,
  status,
  carrier,
];
