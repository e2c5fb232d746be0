import { defineEnvironment } from "../lambda/environment.ts";

/** `*_TABLE`: table names. `*_KEY`: KMS key ARNs. */
export const readKeySetSignEnvironment = defineEnvironment(
  "SERVICE_ID",
  "TRUST_TABLE",
  "KEY_SET_KEY",
  "MESSAGE_SIGNING_KEY",
  "MESSAGE_DECRYPTION_KEY",
);

/** Reading serves what was signed: no key, only the table's name. */
export const readKeySetReadEnvironment = defineEnvironment("TRUST_TABLE");

export type KeySetSignEnvironment = ReturnType<typeof readKeySetSignEnvironment>;
export type KeySetReadEnvironment = ReturnType<typeof readKeySetReadEnvironment>;
