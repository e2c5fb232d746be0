import { defineEnvironment } from "../lambda/environment.ts";

/**
 * `*_TABLE`: table names. `*_KEY`: KMS key ARNs. `KEY_GENERATION`: a positive integer in decimal. `*_CUSTODY`: `kms` or `epoch`. `CUSTODY_HANDOVER`:
 * `true` or `false`. `*_EPOCH_DAYS`: a positive integer in decimal.
 */
export const readKeySetSignEnvironment = defineEnvironment(
  "SERVICE_ID",
  "KEY_GENERATION",
  "TRUST_TABLE",
  "EPOCHS_TABLE",
  "KEY_SET_KEY",
  "MESSAGE_SIGNING_KEY",
  "MESSAGE_DECRYPTION_KEY",
  "EPOCH_KEY",
  "SIGNING_CUSTODY",
  "DECRYPTION_CUSTODY",
  "CUSTODY_HANDOVER",
  "SIGNING_EPOCH_DAYS",
  "DECRYPTION_EPOCH_DAYS",
);

/** Reading serves what was signed: no key, only the table's name. */
export const readKeySetReadEnvironment = defineEnvironment("TRUST_TABLE");

export type KeySetSignEnvironment = ReturnType<typeof readKeySetSignEnvironment>;
export type KeySetReadEnvironment = ReturnType<typeof readKeySetReadEnvironment>;
