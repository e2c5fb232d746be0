import { renewal } from "@sealpost/protocol/exchanges/renewal.ts";

import type { Outbox } from "../delivery/outbox.ts";
import type { OutboxPorts } from "../delivery/outbox-ports.ts";
import { type Outcome, requireDone } from "../delivery/outcome.ts";
import type { Patience } from "../delivery/patience.ts";
import { DeviceError } from "../device-error.ts";
import type { KeySlot } from "../ports.ts";
import type { Thumbprints } from "../keys/device-keys.ts";
import { certificateRequest } from "./certificate-request.ts";

/** A state that was put back has used its next numbers already: one is refused, and tells the number to go on from. */
const mostMessages = 3;

/** Renewal of the device's keys (delivery rule 10), and a certificate for those that it has where the state was put back from before one. */
export class KeyRenewal {
  readonly #ports: Pick<OutboxPorts, "cell" | "keys">;
  readonly #outbox: Outbox;
  readonly #present: Thumbprints;
  /** The key that the state names although the store holds another. */
  #stale: string | undefined;
  #queued: Promise<number> | undefined;

  /** @param present of the keys in the store: the store is never rolled back, the state may have been (rule 15) */
  constructor(ports: Pick<OutboxPorts, "cell" | "keys">, outbox: Outbox, present: Thumbprints) {
    this.#ports = ports;
    this.#outbox = outbox;
    this.#present = present;
    const { signingKey } = ports.cell.enrolled;
    this.#stale = signingKey === present.signingKey ? undefined : signingKey;
  }

  /** Thumbprint of the present signing key, whatever the state says. */
  get signingKey(): string {
    return this.#isPutBack() ? this.#present.signingKey : this.#ports.cell.enrolled.signingKey;
  }

  async renew(patience: Patience): Promise<void> {
    requireDone(await this.#deliver("next", patience));
  }

  /**
   * Asks for the certificate of the present keys, if the state holds that of others. The service gives it again.
   * @throws DeviceError `no-answer` · `aborted`; an answer that does not help leaves everything as it is
   */
  async restoreCertificate(patience: Patience): Promise<void> {
    for (let sent = 0; sent < mostMessages && this.#isPutBack(); sent += 1) {
      const { kind } = await this.#deliver("current", patience);
      if (kind === "refused" || kind === "unusable") break;
    }
    this.#stale = this.#isPutBack() ? undefined : this.#stale;
  }

  #isPutBack(): boolean {
    const { state } = this.#ports.cell;
    if (state?.phase !== "enrolled" || state.ended) return false;
    return state.signingKey === this.#stale;
  }

  /** One candidate at a time, and one message about it, whoever calls meanwhile. */
  async #deliver(slot: KeySlot, patience: Patience): Promise<Outcome> {
    this.#queued ??= this.#queue(slot).finally(() => {
      this.#queued = undefined;
    });
    return this.#outbox.deliver(await this.#queued, patience);
  }

  async #queue(slot: KeySlot): Promise<number> {
    const { cell, keys } = this.#ports;
    const { queue, deviceId } = cell.enrolled;
    const underWay = queue.pending.find(({ operation }) => operation === renewal.operation);
    if (underWay) return underWay.seq;
    const pair = slot === "next" ? await keys.create("next") : await keys.load("current");
    if (!pair) throw new DeviceError("keys-missing", "the key store has no current keys");
    return this.#outbox.enqueue(renewal, await certificateRequest(pair, deviceId));
  }
}
