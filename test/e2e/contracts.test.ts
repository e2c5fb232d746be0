import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";

import { kms } from "../../functions/aws/client.ts";
import { kmsContentKeyOpener, kmsSigner } from "../../functions/custody/kms.ts";
import { emulatorClient, emulatorService } from "../../local/emulator/aws-environment.ts";
import { openerContract } from "../contract/opener.ts";
import { signerContract } from "../contract/signer.ts";
import { storeContract } from "../contract/store.ts";
import { stack, store } from "./world.ts";

/** The suites that the in-memory adapters pass, over the real ones. */
const client = emulatorService(kms, stack.endpoint);
const { outputs } = stack;

storeContract("DynamoDB", async () => store);
signerContract("KMS", () => kmsSigner(client, outputs["ReceiptKeyId"] ?? ""));
openerContract("KMS", async () => kmsContentKeyOpener(client, await decryptionKey()));

/** No output names it, since no operator needs it. */
async function decryptionKey(): Promise<string> {
  const lambda = new LambdaClient(emulatorClient(stack.endpoint));
  const command = new GetFunctionConfigurationCommand({ FunctionName: outputs["MessagesFunctionName"] ?? "" });
  const { Environment } = await lambda.send(command);
  return Environment?.Variables?.["MESSAGE_DECRYPTION_KEY"] ?? "";
}
