import { Fault } from "../fault/fault.ts";
import { type Custody, type Use, custodies } from "./custodies.ts";

/** What a deployment says of custody. `CUSTODY_HANDOVER`: `true` or `false`. */
export type CustodyEnvironment = {
  readonly SIGNING_CUSTODY: string;
  readonly DECRYPTION_CUSTODY: string;
  readonly CUSTODY_HANDOVER: string;
};

export type ChosenCustody = Readonly<Record<Use, Custody>> & { readonly handover: boolean };

/** @throws Fault `not-set-up` for a custody that there is not: a function that guessed would sign with keys that no device knows */
export function chosenCustody(environment: CustodyEnvironment): ChosenCustody {
  return {
    signing: custody("SIGNING_CUSTODY", environment.SIGNING_CUSTODY),
    decryption: custody("DECRYPTION_CUSTODY", environment.DECRYPTION_CUSTODY),
    handover: environment.CUSTODY_HANDOVER === "true",
  };
}

function custody(name: string, value: string): Custody {
  const known = custodies.find((kind) => kind === value);
  if (known === undefined) throw new Fault("not-set-up", `${name} is none of ${custodies.join(", ")}`);
  return known;
}
