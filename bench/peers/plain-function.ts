import { Logger } from "@aws-lambda-powertools/logger";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DecryptCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import * as z from "zod";

/** A function as one writes it: SDK, schemas, logger. Any event goes to its four calls. */
const logger = new Logger();
const kms = new KMSClient();
const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient());
const eventSchema = z.object({ id: z.string(), text: z.base64() });

export async function handler(event: unknown) {
  const { id, text } = eventSchema.parse(event);
  const bytes = Buffer.from(text, "base64");
  await kms.send(new DecryptCommand({ CiphertextBlob: bytes }));
  const { Item } = await dynamodb.send(new GetCommand({ TableName: "devices", Key: { id } }));
  await dynamodb.send(new PutCommand({ TableName: "devices", Item: { ...Item, id } }));
  logger.info("signing", { id });
  return kms.send(new SignCommand({ KeyId: id, Message: bytes, SigningAlgorithm: "ECDSA_SHA_256" }));
}
