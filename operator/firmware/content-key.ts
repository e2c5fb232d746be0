import { GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";

import { awsFault, clientConfiguration } from "../aws-access.ts";
import { OperatorFault } from "../fault.ts";
import type { Stack } from "../stack.ts";

/** A key of 256 bits for one image, and the same encrypted by the service's secrets key, which only its functions decrypt. */
export type ContentKey = { readonly plaintext: Uint8Array<ArrayBuffer>; readonly wrapped: string };

/** @param object the encryption context binds the key to the one object that it encrypts */
export async function generateContentKey(stack: Stack, object: string): Promise<ContentKey> {
  const kms = new KMSClient(clientConfiguration(stack.access));
  const { SecretsKeyId } = stack.outputs;
  try {
    const { Plaintext, CiphertextBlob } = await kms.send(
      new GenerateDataKeyCommand({ KeyId: SecretsKeyId, KeySpec: "AES_256", EncryptionContext: { object } }),
    );
    if (Plaintext?.length === 32 && CiphertextBlob) {
      return { plaintext: new Uint8Array(Plaintext), wrapped: Buffer.from(CiphertextBlob).toString("base64") };
    }
  } catch (error) {
    throw awsFault(error, `generate a data key with ${SecretsKeyId}`, "ReleasingPolicyArn", stack);
  }
  throw new OperatorFault("fault", `KMS answered without a data key for ${SecretsKeyId}.`, "run the command again");
}
