import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";

import { bundleFunctions } from "./bundle.ts";
import { SealpostStack } from "./stack.ts";
import { readStage } from "./stage.ts";

const app = new App({ analyticsReporting: false });
const reading = readStage({ context: app.node.getAllContext(), endpoint: process.env.AWS_ENDPOINT_URL });
if ("problem" in reading) fail(reading.problem);
const { stage } = reading;
const functionCode = await bundleFunctions().catch((error: unknown) =>
  fail(error instanceof Error ? error.message : String(error)),
);
new SealpostStack(app, `Sealpost-${stage.name}`, { stage, functionCode });
// The exceptions and their reasons go into the template, where an auditor of the account finds them.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { writeSuppressionsToCloudFormation: true }));

/** What the user can put right needs no stack trace. */
function fail(problem: string): never {
  console.error(problem);
  process.exit(1);
}
