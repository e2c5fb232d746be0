import { toSetback } from "../delivery/bounded-transport.ts";
import type { Patience } from "../delivery/patience.ts";
import type { Setback } from "../device-error.ts";
import type { HttpStream, MessageTransport } from "../ports.ts";
import { Transfer } from "./transfer.ts";

/** Of so many faults in a row the next try asks for the whole; an answer that no Range may have counts at once. */
const plainAfter = 2;

/**
 * Reads one public object from as many transfers as it takes, wherever each of them breaks off. An address that cannot answer a Range (RFC 9110
 * §14) is asked for the whole, which is passed over up to the place. Nothing that it yields is proven.
 */
export class ObjectReader {
  readonly #urls: readonly string[];
  readonly #messages: MessageTransport;
  readonly #patience: Patience;
  readonly #rangeFaults = new Map<string, number>();
  /** Addresses whose last try brought nothing: passed over as long as there are others. */
  readonly #inVain = new Set<string>();
  #attempt = 0;
  #transfer: Transfer | undefined;
  /** Where `#farthest` was when it began. */
  #farthestBefore = 0;
  /** How far bytes ever came: beyond it is progress. What is only read again is none, or a relay could keep a device busy for ever. */
  #farthest = 0;

  /** @param urls where the object may be, in turn */
  constructor(urls: readonly string[], messages: MessageTransport, patience: Patience) {
    this.#urls = urls;
    this.#messages = messages;
    this.#patience = patience;
  }

  /**
   * Fills `into` with what the object has from `offset`.
   * @param alone whether nothing behind it is wanted from the same transfer
   * @throws DeviceError `no-answer` when patience ends
   */
  async read(offset: number, into: Uint8Array, alone = false): Promise<void> {
    for (let have = 0; have < into.length;) {
      const last = alone ? offset + into.length - 1 : undefined;
      const taken = await this.#take(offset + have, into.subarray(have), last);
      if (typeof taken !== "number") await this.#retry(taken);
      else this.#noteProgress(offset + (have += taken));
    }
    if (alone && !this.#transfer?.whole) await this.close();
  }

  /**
   * What was read last does not verify: another transfer brings the next.
   * @throws DeviceError `no-answer` when patience ends
   */
  async reject(why: string): Promise<void> {
    const { url, ranged } = this.#transfer ?? { url: this.#url, ranged: false };
    if (ranged) this.#blame(url, 1);
    await this.#retry({ why: `${url} ${why}` });
  }

  async close(): Promise<void> {
    const transfer = this.#transfer;
    this.#transfer = undefined;
    await transfer?.close();
  }

  get #url(): string {
    return this.#urls[this.#attempt % this.#urls.length] ?? "";
  }

  /** @returns how many bytes came, or why none did */
  async #take(position: number, into: Uint8Array, last: number | undefined): Promise<number | Setback> {
    const url = this.#url;
    try {
      if (this.#transfer && !leadsTo(this.#transfer, position)) await this.close();
      const transfer = this.#transfer ?? (await this.#begin(url, position, last));
      if ("why" in transfer) return transfer;
      this.#transfer = transfer;
      const taken = await transfer.take(position, into);
      return taken > 0 ? taken : { why: `${url} broke off` };
    } catch (error) {
      return toSetback(error);
    }
  }

  async #begin(url: string, position: number, last: number | undefined): Promise<Transfer | Setback> {
    const ranged = (position > 0 || last !== undefined) && (this.#rangeFaults.get(url) ?? 0) < plainAfter;
    const range = { first: position, ...(last === undefined ? {} : { last }) };
    this.#farthestBefore = this.#farthest;
    const answer = await this.#messages.get(url, ranged ? range : undefined);
    const transfer = new Transfer(url, ranged, answer);
    if (isUsable(answer, position)) return transfer;
    await transfer.close();
    if (ranged) this.#blame(url, isAboutRanges(answer) ? plainAfter : 1);
    else this.#rangeFaults.delete(url);
    return { why: `${url} answered HTTP ${answer.status}` };
  }

  async #retry(setback: Setback): Promise<void> {
    const wasInVain = this.#farthest === this.#farthestBefore;
    if (this.#transfer && !this.#transfer.ranged && wasInVain) this.#rangeFaults.delete(this.#transfer.url);
    if (wasInVain) this.#inVain.add(this.#url);
    else this.#inVain.delete(this.#url);
    await this.close();
    const isRoundOver = this.#urls.every((url) => this.#inVain.has(url));
    if (isRoundOver) this.#inVain.clear();
    // As with messages: the pauses within a round of the addresses do not grow.
    await (isRoundOver ? this.#patience.pause(setback) : this.#patience.pauseBriefly(setback));
    do this.#attempt += 1;
    while (this.#inVain.has(this.#url));
  }

  #blame(url: string, faults: number): void {
    this.#rangeFaults.set(url, (this.#rangeFaults.get(url) ?? 0) + faults);
  }

  #noteProgress(position: number): void {
    if (position <= this.#farthest) return;
    this.#farthest = position;
    this.#patience.renew();
  }
}

/** Whoever sent the whole where a part was asked for sends it again: what is before the place is passed over. */
function leadsTo({ at, whole }: Transfer, position: number): boolean {
  return at === position || (at < position && whole);
}

function isUsable({ status, first }: HttpStream, position: number): boolean {
  return (status === 200 || status === 206) && first <= position;
}

/** 206 from another place, or a status by which a server or what stands before it refuses a Range (RFC 9110 §15.5.17, §15.6.2). */
function isAboutRanges({ status }: HttpStream): boolean {
  return status === 206 || status === 400 || status === 416 || status === 501;
}
