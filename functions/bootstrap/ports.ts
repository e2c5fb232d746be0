import type { Signer } from "@sealpost/protocol/token/jws.ts";
import type { SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { Store } from "../store/port.ts";

export type SignerWithKey = Signer & { readonly jwk: SigningJwk };

export type BootstrapPorts = {
  readonly serviceId: string;
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write">;
  readonly firstTokenSigner: SignerWithKey;
  readonly ca: SignerWithKey;
  readonly readCatchUp: () => Promise<CatchUp | undefined>;
};
