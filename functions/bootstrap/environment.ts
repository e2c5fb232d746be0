import { defineEnvironment } from "../lambda/environment.ts";

/** `*_TABLE`: table names. `*_KEY`: KMS key ARNs. `KEY_GENERATION`: a positive integer in decimal. */
export const readBootstrapEnvironment = defineEnvironment(
  "SERVICE_ID",
  "KEY_GENERATION",
  "CREDENTIALS_TABLE",
  "DEVICES_TABLE",
  "TRUST_TABLE",
  "JOURNAL_TABLE",
  "FIRST_TOKEN_KEY",
  "ISSUING_CA_KEY",
);

export type BootstrapEnvironment = ReturnType<typeof readBootstrapEnvironment>;
