import { defineEnvironment } from "../lambda/environment.ts";

/** `*_TABLE`: table names. `*_KEY`: KMS key ARNs. `KEY_GENERATION`: a positive integer in decimal. `*_CUSTODY`: `kms` or `epoch`. `CUSTODY_HANDOVER`: `true` or `false`. */
export const readMessagesEnvironment = defineEnvironment(
  "SERVICE_ID",
  "KEY_GENERATION",
  "DEVICES_TABLE",
  "RELEASES_TABLE",
  "TRUST_TABLE",
  "JOURNAL_TABLE",
  "EPOCHS_TABLE",
  "MESSAGE_SIGNING_KEY",
  "MESSAGE_DECRYPTION_KEY",
  "EPOCH_KEY",
  "SIGNING_CUSTODY",
  "DECRYPTION_CUSTODY",
  "CUSTODY_HANDOVER",
  "RECEIPT_KEY",
  "ISSUING_CA_KEY",
  "SECRETS_KEY",
);

export type MessagesEnvironment = ReturnType<typeof readMessagesEnvironment>;
