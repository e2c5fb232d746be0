import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { SigningKeySource } from "../custody/port.ts";
import type { Store } from "../store/port.ts";

export type BootstrapPorts = {
  readonly serviceId: string;
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write">;
  readonly firstTokenSigner: SigningKeySource;
  readonly ca: SigningKeySource;
  readonly readCatchUp: () => Promise<CatchUp | undefined>;
};
