import type { Signer } from "@sealpost/protocol/jws.ts";
import type { EcPublicJwk } from "@sealpost/protocol/keys.ts";
import type { CatchUp } from "@sealpost/protocol/trust.ts";

import type { Store } from "../store/port.ts";

export type SignerWithKey = Signer & { readonly jwk: EcPublicJwk };

export type BootstrapPorts = {
  readonly serviceId: string;
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write" | "list">;
  readonly firstTokenSigner: SignerWithKey;
  readonly ca: SignerWithKey;
  readonly readCatchUp: () => Promise<CatchUp | undefined>;
};
