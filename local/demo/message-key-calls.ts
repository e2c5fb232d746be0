import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";
import * as z from "zod/mini";

import { emulatorClient } from "../emulator/aws-environment.ts";
import { setFunctionEnvironment } from "../emulator/function-environment.ts";
import { startProxy } from "../network/proxy.ts";
import type { LocalStack } from "../stack-file.ts";

const requestSchema = z.object({ KeyId: z.optional(z.string()) });

/** Counts what the message function asks KMS to do with the keys that open requests and sign replies, or that wrap those. */
export async function countMessageKeyCalls({ endpoint, outputs }: LocalStack) {
  const functionName = outputs["MessagesFunctionName"] ?? "";
  const keys = await messageKeys(endpoint, functionName);
  let count = 0;
  const proxy = await startProxy({
    target: endpoint,
    onCall: ({ operation, request }) => {
      const { KeyId } = requestSchema.parse(JSON.parse(request.toString()));
      if (operation !== "GetPublicKey" && KeyId !== undefined && keys.has(KeyId)) count += 1;
    },
  });
  await setFunctionEnvironment({ endpoint, functionName, variables: { AWS_ENDPOINT_URL_KMS: proxy.url } });
  return { count: () => count, close: () => proxy.close() };
}

async function messageKeys(endpoint: string, FunctionName: string): Promise<ReadonlySet<string>> {
  const client = new LambdaClient(emulatorClient(endpoint));
  const { Environment } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
  client.destroy();
  const { MESSAGE_SIGNING_KEY = "", MESSAGE_DECRYPTION_KEY = "", EPOCH_KEY = "" } = Environment?.Variables ?? {};
  return new Set([MESSAGE_SIGNING_KEY, MESSAGE_DECRYPTION_KEY, EPOCH_KEY]);
}
