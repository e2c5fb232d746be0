import type { LocalCustody } from "./emulator/synthesis.ts";

/** What `--custody` names: the same for both uses. */
export const custodyHelp = "--custody <name>      where message keys live: kms (default) or epoch";

/** @throws RangeError whose message names what may be given */
export function readCustody(name: string | undefined): LocalCustody {
  if (name === undefined || name === "kms") return { signing: "kms", decryption: "kms" };
  if (name === "epoch") return { signing: "epoch", decryption: "epoch" };
  throw new RangeError(`${name} is no custody (kms or epoch).`);
}
