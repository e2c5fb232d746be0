import type { Signer } from "@sealpost/protocol/token/jws.ts";
import type { P256Jwk } from "@sealpost/protocol/suites/p256.ts";
import type { RequestAlgorithm } from "@sealpost/protocol/suites/suites.ts";
import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { ServedExchanges } from "../exchanges/exchange.ts";
import type { DocumentVersions } from "../store/catch-up.ts";
import type { Store } from "../store/port.ts";

/** Recovers content keys with one of the server's private keys, wherever that lives. */
export type ContentKeyOpener = {
  readonly kid: string;
  readonly alg: RequestAlgorithm;
  /**
   * @param encryptedKey as in the JWE
   * @param epk for key agreement, the sender's ephemeral public key
   * @throws TokenError `decryption` if it does not open, `retired-key` if the key has been retired; Fault if the custody does not answer
   */
  open(encryptedKey: Uint8Array<ArrayBuffer>, epk?: P256Jwk): Promise<Uint8Array<ArrayBuffer>>;
};

/** What a device needs to catch up with rotated keys. */
export type ReadCatchUp = () => Promise<CatchUp | undefined>;

export type MessagePorts = {
  readonly serviceId: string;
  /** Raised by a restore; writes are conditional on it. */
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write">;
  /** The present keys that requests may be sealed to. */
  readonly openers: readonly ContentKeyOpener[];
  readonly replySigner: Signer;
  readonly readCatchUp: ReadCatchUp;
  /** What replies say of the newest documents, at most a minute old; it does not fail. */
  readonly documentVersions: () => Promise<DocumentVersions>;
  readonly exchanges: ServedExchanges;
};
