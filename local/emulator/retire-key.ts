import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";

import { LocalFault } from "../fault.ts";
import { type LocalStack, writeStackFile } from "../stack-file.ts";
import { emulatorClient } from "./aws-environment.ts";
import { type DeployOptions, deploy } from "./deploy.ts";
import type { LocalCustody } from "./synthesis.ts";

export type RetireKeyOptions = Pick<DeployOptions, "projectDirectory" | "directory" | "logPath" | "signal"> & {
  readonly stack: LocalStack;
  readonly stackFile: string;
};

/**
 * Retires the key that messages are sealed to, the way an operator does: the stack is deployed with the next key
 * generation, which is a new key, and the old one is deleted.
 * @returns the new generation
 */
export async function retireKey({ stack, stackFile, ...options }: RetireKeyOptions): Promise<number> {
  const { generation, custody } = await deployedSettings(stack);
  const keyGeneration = generation + 1;
  const outputs = await deploy({ ...options, endpoint: stack.endpoint, keyGeneration, custody });
  await writeStackFile(stackFile, { ...stack, outputs });
  return keyGeneration;
}

/** What the message function was deployed with. */
async function deployedSettings({
  endpoint,
  outputs,
}: LocalStack): Promise<{ generation: number; custody: LocalCustody }> {
  const client = new LambdaClient(emulatorClient(endpoint));
  try {
    const FunctionName = outputs["MessagesFunctionName"] ?? "";
    const { Environment } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const { KEY_GENERATION, SIGNING_CUSTODY, DECRYPTION_CUSTODY } = Environment?.Variables ?? {};
    if (KEY_GENERATION === undefined) {
      throw new LocalFault("state-unreadable", `The function ${FunctionName} names no key generation.`);
    }
    const custodyOf = (name: string | undefined) => (name === "epoch" ? "epoch" : "kms");
    return {
      generation: Number(KEY_GENERATION),
      custody: { signing: custodyOf(SIGNING_CUSTODY), decryption: custodyOf(DECRYPTION_CUSTODY) },
    };
  } finally {
    client.destroy();
  }
}
