import type { HttpStream } from "../ports.ts";

/** One answer to a GET, read in order from a place at or behind its start. */
export class Transfer {
  readonly url: string;
  /** Whether a Range was asked for. */
  readonly ranged: boolean;
  /** Whether the whole object comes, asked for or not. */
  readonly whole: boolean;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #at: number;

  constructor(url: string, ranged: boolean, { status, first, body }: HttpStream) {
    this.url = url;
    this.ranged = ranged;
    this.whole = status === 200;
    this.#pieces = body[Symbol.asyncIterator]();
    this.#at = first;
  }

  /** Offset in the object of the byte that comes next. */
  get at(): number {
    return this.#at;
  }

  /**
   * Passes over what is before `position` and copies what comes then, as much as one piece has.
   * @returns how many bytes; 0 where the transfer ends before
   */
  async take(position: number, into: Uint8Array): Promise<number> {
    while (this.#at + this.#rest.length <= position) {
      this.#at += this.#rest.length;
      const next = await this.#pieces.next();
      this.#rest = next.done ? new Uint8Array() : next.value;
      if (next.done) return 0;
    }
    const start = position - this.#at;
    const piece = this.#rest.subarray(start, start + into.length);
    into.set(piece);
    this.#rest = this.#rest.subarray(start + piece.length);
    this.#at = position + piece.length;
    return piece.length;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.().catch(() => {});
  }
}
