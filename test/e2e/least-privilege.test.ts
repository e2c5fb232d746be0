import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { AttachRolePolicyCommand, DetachRolePolicyCommand, IAMClient } from "@aws-sdk/client-iam";
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { sealRequest } from "@sealpost/protocol/messages/request.ts";
import { describe, expect, test } from "vitest";

import { emulatorClient } from "../../local/emulator/aws-environment.ts";
import { type AccessKey, createOperatorUser } from "../../local/emulator/operator-user.ts";
import { setFunctionEnvironment } from "../../local/emulator/function-environment.ts";
import { post, rawDevice, registration, run, stack, temporaryFolder } from "./world.ts";

const { outputs, endpoint } = stack;

const pointing = async (output: string, variables: Record<string, string>, work: () => Promise<void>) => {
  const restore = await setFunctionEnvironment({ endpoint, functionName: outputs[output] ?? "", variables });
  try {
    await work();
  } finally {
    await restore();
  }
};

/** Invokes a function and returns what it logged. */
const logOf = async (output: string) => {
  const client = new LambdaClient(emulatorClient(endpoint));
  const command = new InvokeCommand({ FunctionName: outputs[output] ?? "", LogType: "Tail", Payload: "{}" });
  const { LogResult = "" } = await client.send(command);
  client.destroy();
  return Buffer.from(LogResult, "base64").toString();
};

const roleOf = async (output: string) => {
  const client = new LambdaClient(emulatorClient(endpoint));
  const { Role = "" } = await client.send(new GetFunctionConfigurationCommand({ FunctionName: outputs[output] ?? "" }));
  client.destroy();
  return Role.split("/").at(-1) ?? "";
};

describe("a function that is told to do more than it was granted", () => {
  test("fails/DynamoDB: the key-set reader at the credentials", async () => {
    await pointing("KeySetReadFunctionName", { TRUST_TABLE: outputs["CredentialsTable"] ?? "" }, async () => {
      const answer = await fetch(`${stack.messageUrl}/keys`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ code: "unavailable" });
      expect(await logOf("KeySetReadFunctionName")).toContain("AccessDeniedException");
    });
    expect((await fetch(`${stack.messageUrl}/keys`)).status).toBe(200);
  });

  test("fails/KMS: the message function at a key that is not its own", async () => {
    await pointing("MessagesFunctionName", { MESSAGE_SIGNING_KEY: outputs["ReceiptKeyId"] ?? "" }, async () => {
      expect((await post("a.b.c.d.e")).status).toBe(400);
    });
    await pointing("MessagesFunctionName", { MESSAGE_SIGNING_KEY: outputs["KeySetKeyId"] ?? "" }, async () => {
      expect((await post("a.b.c.d.e")).status).toBeGreaterThanOrEqual(500);
      expect(await logOf("MessagesFunctionName")).toContain("AccessDeniedException");
    });
    expect((await post("a.b.c.d.e")).status).toBe(400);
  });

  test("fails/KMS: a role that was handed the root's policy is stopped by the root's own key policy", async () => {
    const role = await roleOf("MessagesFunctionName");
    const PolicyArn = outputs["RootPolicyArn"] ?? "";
    const iam = new IAMClient(emulatorClient(endpoint));
    await iam.send(new AttachRolePolicyCommand({ RoleName: role, PolicyArn }));
    try {
      const { claimsOf, signer, serverKey } = await rawDevice();
      const { token } = await sealRequest(claimsOf("register", registration, { seq: 1 }), signer, serverKey);
      await pointing("MessagesFunctionName", { MESSAGE_SIGNING_KEY: outputs["RootKeyId"] ?? "" }, async () => {
        expect((await post("a.b.c.d.e")).status).toBe(400);
        expect(await post(token)).toMatchObject({ status: 503 });
      });
      expect((await post(token)).status).toBe(200);
    } finally {
      await iam.send(new DetachRolePolicyCommand({ RoleName: role, PolicyArn }));
      iam.destroy();
    }
  });
});

describe("content keys of firmware", () => {
  const wrap = async (credentials: AccessKey, EncryptionContext?: Record<string, string>) => {
    const kms = new KMSClient({ ...emulatorClient(endpoint), credentials });
    const command = new GenerateDataKeyCommand({
      KeyId: outputs["SecretsKeyId"],
      KeySpec: "AES_256",
      EncryptionContext,
    });
    return kms.send(command).finally(() => kms.destroy());
  };

  test("ok/are made for an object that is named", async () => {
    const credentials = await createOperatorUser(endpoint, outputs, "releaser", ["ReleasingPolicyArn"]);
    const { CiphertextBlob } = await wrap(credentials, { object: "firmware/an-image" });
    expect(CiphertextBlob).toBeInstanceOf(Uint8Array);
    await expect(wrap(credentials)).rejects.toMatchObject({ name: "AccessDeniedException" });
    await expect(wrap(credentials, { image: "firmware/an-image" })).rejects.toMatchObject({
      name: "AccessDeniedException",
    });
  });
});

describe("an operator without a policy", () => {
  test("fails/is told which one is missing", async () => {
    const credentials = await createOperatorUser(endpoint, outputs, "reader", ["ReadingPolicyArn"]);
    const folder = await temporaryFolder();
    const file = join(folder, "stack.json");
    await writeFile(file, JSON.stringify({ ...stack, credentials }));
    expect((await run("sealpost", ["--stack", file, "device", "list"])).code).toBe(0);
    const denied = await run("sealpost", ["--stack", file, "device", "revoke", crypto.randomUUID()]);
    expect(denied.code).toBe(5);
    expect(denied.stderr).toContain("RevokingPolicyArn");
  });
});
