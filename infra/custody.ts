import type { CustodyEnvironment } from "../functions/custody/environment.ts";
import { type Use, uses } from "../functions/custody/custodies.ts";
import type { SealpostProps } from "./props.ts";

/** Where the private halves of the message keys are, for each use, and whether keys of the other custody still serve. */
export type CustodySettings = Required<
  Pick<
    SealpostProps,
    "signingCustody" | "decryptionCustody" | "signingEpochDays" | "decryptionEpochDays" | "custodyHandover"
  >
>;

/** Uses whose keys are, or were until the handover is over, in KMS. */
export function usesInKms(settings: CustodySettings): Use[] {
  return uses.filter((use) => settings.custodyHandover || custodyOf(settings, use) === "kms");
}

/** Uses whose new keys are epochs. */
export function usesOfNewEpochs(settings: CustodySettings): Use[] {
  return uses.filter((use) => custodyOf(settings, use) === "epoch");
}

/** Uses whose keys are, or were until the handover is over, epochs. */
export function usesInEpochs(settings: CustodySettings): Use[] {
  return settings.custodyHandover ? [...uses] : usesOfNewEpochs(settings);
}

/** What functions are told of it. */
export function custodyEnvironment(settings: CustodySettings): CustodyEnvironment {
  return {
    SIGNING_CUSTODY: settings.signingCustody,
    DECRYPTION_CUSTODY: settings.decryptionCustody,
    CUSTODY_HANDOVER: String(settings.custodyHandover),
  };
}

function custodyOf({ signingCustody, decryptionCustody }: CustodySettings, use: Use) {
  return { signing: signingCustody, decryption: decryptionCustody }[use];
}
