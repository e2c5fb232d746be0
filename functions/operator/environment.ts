import { defineEnvironment } from "../lambda/environment.ts";

/** `*_TABLE`: table names. `KEY_GENERATION`: a positive integer in decimal. No key: operators sign on their own machines. */
export const readOperatorEnvironment = defineEnvironment(
  "SERVICE_ID",
  "KEY_GENERATION",
  "CREDENTIALS_TABLE",
  "DEVICES_TABLE",
  "RELEASES_TABLE",
  "TRUST_TABLE",
  "JOURNAL_TABLE",
);

export type OperatorEnvironment = ReturnType<typeof readOperatorEnvironment>;
