import { AttachUserPolicyCommand, CreateAccessKeyCommand, CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";

import { emulatorClient } from "./aws-environment.ts";
import type { StackOutputs } from "./deploy.ts";
import { LocalFault } from "../fault.ts";

export type AccessKey = { readonly accessKeyId: string; readonly secretAccessKey: string };

const operatorPolicies = [
  "EnrollingPolicyArn",
  "RevokingPolicyArn",
  "ReleasingPolicyArn",
  "RootPolicyArn",
  "CommandingPolicyArn",
  "PublishingPolicyArn",
  "ReadingPolicyArn",
] as const;

/**
 * An IAM user of its own with every operator policy of the stack: the emulator's root key bypasses IAM, so using it
 * would hide a missing permission.
 */
export async function createOperatorUser(
  endpoint: string,
  outputs: StackOutputs,
  name = "operator",
  policies: readonly string[] = operatorPolicies,
): Promise<AccessKey> {
  const client = new IAMClient(emulatorClient(endpoint));
  try {
    await client.send(new CreateUserCommand({ UserName: name }));
    for (const output of policies) {
      const policyArn = outputs[output];
      if (policyArn === undefined) {
        throw new LocalFault("deploy-failed", `The stack has no output ${output}.`);
      }
      await client.send(new AttachUserPolicyCommand({ UserName: name, PolicyArn: policyArn }));
    }
    const { AccessKey: key } = await client.send(new CreateAccessKeyCommand({ UserName: name }));
    if (key?.AccessKeyId === undefined || key.SecretAccessKey === undefined) {
      throw new LocalFault("deploy-failed", "The emulator made no access key for the operator.");
    }
    return { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey };
  } finally {
    client.destroy();
  }
}
