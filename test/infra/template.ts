import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import * as z from "zod/mini";

import { SealpostStack } from "../../infra/stack.ts";
import { readStage } from "../../infra/stage.ts";
import type { StageConfig } from "../../infra/stage.ts";

const Resource = z.object({
  Type: z.string(),
  Properties: z.optional(z.record(z.string(), z.unknown())),
  Metadata: z.optional(z.looseObject({ "aws:cdk:path": z.optional(z.string()) })),
  DeletionPolicy: z.optional(z.string()),
  UpdateReplacePolicy: z.optional(z.string()),
});
const Template = z.looseObject({
  Resources: z.record(z.string(), Resource),
  Outputs: z.record(z.string(), z.looseObject({ Value: z.unknown() })),
});
const CdkJson = z.object({ context: z.looseObject({ stages: z.looseObject({ production: z.looseObject({}) }) }) });

export type Template = z.infer<typeof Template>;
export type Resource = z.infer<typeof Resource>;

const { context } = CdkJson.parse(JSON.parse(readFileSync("cdk.json", "utf8")));

/** The stage as cdk.json has it, both with the same members, so that only what the name implies differs. */
export function stageOf(name: StageConfig["name"]): StageConfig {
  const members = { ...context.stages.production, serviceId: "test-service" };
  const reading = readStage({
    context: {
      stage: name,
      stages: { local: members, production: members },
      ...(name === "local" && { assetsBucket: "assets" }),
    },
    endpoint: "http://127.0.0.1:4566",
  });
  if ("problem" in reading) throw new Error(reading.problem);
  return reading.stage;
}

const id = "Sealpost-test"; // one for both stages, so that ids and the hashes in them compare

const Report = z.object({
  pluginReports: z.array(z.object({ pluginName: z.string(), violations: z.array(z.object({ ruleName: z.string() })) })),
});

export interface Synthesised {
  readonly template: Template;
  /** What each check found and nothing acknowledges: its name → names of rules. */
  readonly violations: Readonly<Record<string, readonly string[]>>;
}

/** A stack with functions that do nothing, as the app makes it from cdk.json, and what its checks found. */
export function synthesise(stage: StageConfig): Synthesised {
  const directory = mkdtempSync(join(tmpdir(), "sealpost-infra-"));
  try {
    return synthesiseIn(directory, stage);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function synthesiseIn(directory: string, stage: StageConfig): Synthesised {
  const code = join(directory, "code");
  mkdirSync(code);
  writeFileSync(join(code, "index.mjs"), "export const handler = () => {};\n");
  const outdir = join(directory, "cdk.out");
  const app = new App({
    analyticsReporting: false,
    outdir,
    context: { ...context, "aws:cdk:enable-path-metadata": true },
  });
  new SealpostStack(app, id, {
    stage,
    functionCode: {
      bootstrap: code,
      messages: code,
      "key-set-sign": code,
      "key-set-read": code,
      operator: code,
      publisher: code,
    },
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
  const read = (file: string): unknown => JSON.parse(readFileSync(join(outdir, file), "utf8"));
  const { pluginReports } = Report.parse(read("validation-report.json"));
  return {
    template: Template.parse(read(`${id}.template.json`)),
    violations: Object.fromEntries(
      pluginReports.map(({ pluginName, violations }) => [pluginName, violations.map(({ ruleName }) => ruleName)]),
    ),
  };
}

export function ofType(template: Template, type: string): [string, Resource][] {
  return Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);
}

/** The construct path of a resource below the root construct, such as `Registry/Credentials`. */
export function pathOf(template: Template, logicalId: string): string {
  const path = template.Resources[logicalId]?.Metadata?.["aws:cdk:path"] ?? logicalId;
  return path.replace(/^Sealpost-\w+\/(Sealpost\/)?/, "").replace(/\/Resource$/, "");
}

/** The one resource at a path. */
export function at(template: Template, path: string): Resource {
  const found = Object.keys(template.Resources).filter((id) => pathOf(template, id) === path);
  const resource = template.Resources[found[0] ?? ""];
  if (found.length !== 1 || resource === undefined) {
    throw new Error(`${found.length} resources at ${path}`);
  }
  return resource;
}

const Join = z.object({ "Fn::Join": z.tuple([z.string(), z.array(z.unknown())]) });
const GetAtt = z.object({ "Fn::GetAtt": z.tuple([z.string(), z.string()]) });
const Ref = z.object({ Ref: z.string() });

/** A value with its intrinsic functions written out: references as construct paths, attributes other than ARNs named. */
export function render(template: Template, value: unknown): string {
  if (typeof value === "string") return value;
  const join = Join.safeParse(value);
  if (join.success) {
    const [separator, parts] = join.data["Fn::Join"];
    return parts.map((part) => render(template, part)).join(separator);
  }
  const attribute = GetAtt.safeParse(value);
  if (attribute.success) {
    const [id, name] = attribute.data["Fn::GetAtt"];
    return name === "Arn" ? pathOf(template, id) : `${pathOf(template, id)}.${name}`;
  }
  const reference = Ref.safeParse(value);
  if (reference.success) return pathOf(template, reference.data.Ref);
  throw new Error(`cannot render ${JSON.stringify(value)}`);
}

const Statement = z.object({
  Sid: z.optional(z.string()),
  Effect: z.enum(["Allow", "Deny"]),
  Action: z.union([z.string(), z.array(z.string())]),
  Resource: z.optional(z.unknown()),
  Principal: z.optional(z.unknown()),
  Condition: z.optional(z.unknown()),
});

export interface Statement {
  readonly sid: string | undefined;
  readonly effect: "Allow" | "Deny";
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly principal: unknown;
  readonly condition: unknown;
}

/** The statements of a policy document, single values made lists and resources rendered. */
export function statements(template: Template, document: unknown): Statement[] {
  const { Statement: found } = z.object({ Statement: z.array(Statement) }).parse(document);
  return found.map((statement) => ({
    sid: statement.Sid,
    effect: statement.Effect,
    actions: [statement.Action].flat(),
    resources: [statement.Resource].flat().map((resource) => render(template, resource)),
    principal: statement.Principal,
    condition: statement.Condition,
  }));
}

/** What an identity may do: resource → actions, for the policies that Lambda roles or managed policies hold. */
export function allowed(found: readonly Statement[]): Record<string, string[]> {
  const byResource: Record<string, string[]> = {};
  for (const { effect, actions, resources } of found) {
    if (effect === "Deny") continue;
    for (const resource of resources) {
      byResource[resource] = [...(byResource[resource] ?? []), ...actions].sort();
    }
  }
  return byResource;
}
