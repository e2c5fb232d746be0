import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { ServerKeys } from "../custody/port.ts";
import type { ServedExchanges } from "../exchanges/exchange.ts";
import type { DocumentVersions } from "../store/catch-up.ts";
import type { Store } from "../store/port.ts";

/** What a device needs to catch up with rotated keys. */
export type ReadCatchUp = () => Promise<CatchUp | undefined>;

export type MessagePorts = {
  readonly serviceId: string;
  /** Raised by a restore; writes are conditional on it. */
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write">;
  readonly serverKeys: ServerKeys;
  readonly readCatchUp: ReadCatchUp;
  /** What replies say of the newest documents, at most a minute old; it does not fail. */
  readonly documentVersions: () => Promise<DocumentVersions>;
  readonly exchanges: ServedExchanges;
};
