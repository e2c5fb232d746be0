import { KMSClient } from "@aws-sdk/client-kms";
import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";

import { kmsContentKeyOpener, kmsSigner } from "../../functions/custody/kms.ts";
import { emulatorClient } from "../../local/emulator/aws-environment.ts";
import { openerContract } from "../contract/opener.ts";
import { signerContract } from "../contract/signer.ts";
import { storeContract } from "../contract/store.ts";
import { stack, store } from "./world.ts";

/** The suites that the in-memory adapters pass, over the real ones. */
const kms = new KMSClient(emulatorClient(stack.endpoint));
const { outputs } = stack;

storeContract("DynamoDB", async () => store);
signerContract("KMS", () => kmsSigner(kms, outputs["ReceiptKeyId"] ?? ""));
openerContract("KMS", async () => kmsContentKeyOpener(kms, await decryptionKey()));

/** No output names it, since no operator needs it. */
async function decryptionKey(): Promise<string> {
  const lambda = new LambdaClient(emulatorClient(stack.endpoint));
  const command = new GetFunctionConfigurationCommand({ FunctionName: outputs["MessagesFunctionName"] ?? "" });
  const { Environment } = await lambda.send(command);
  return Environment?.Variables?.["MESSAGE_DECRYPTION_KEY"] ?? "";
}
