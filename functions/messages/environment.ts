import { defineEnvironment } from "../lambda/environment.ts";

/** `*_TABLE`: table names. `*_KEY`: KMS key ARNs. `KEY_GENERATION`: a positive integer in decimal. */
export const readMessagesEnvironment = defineEnvironment(
  "SERVICE_ID",
  "KEY_GENERATION",
  "DEVICES_TABLE",
  "RELEASES_TABLE",
  "TRUST_TABLE",
  "JOURNAL_TABLE",
  "MESSAGE_SIGNING_KEY",
  "MESSAGE_DECRYPTION_KEY",
  "RECEIPT_KEY",
  "ISSUING_CA_KEY",
  "SECRETS_KEY",
);

export type MessagesEnvironment = ReturnType<typeof readMessagesEnvironment>;
