/** Reads exact amounts from a stream of pieces of any size. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest = new Uint8Array();

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#pieces = body[Symbol.asyncIterator]();
  }

  /** @returns null where the stream ends before */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const taken = new Uint8Array(length);
    for (let have = 0; have < length;) {
      if (this.#rest.length === 0 && !(await this.#more())) return null;
      const piece = this.#rest.subarray(0, length - have);
      taken.set(piece, have);
      have += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return taken;
  }

  /** @returns false where the stream ends before */
  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0 && !(await this.#more())) return false;
      const passed = Math.min(left, this.#rest.length);
      this.#rest = this.#rest.subarray(passed);
      left -= passed;
    }
    return true;
  }

  /** Ends the transfer. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #more(): Promise<boolean> {
    const next = await this.#pieces.next();
    if (next.done) return false;
    this.#rest = new Uint8Array(next.value);
    return true;
  }
}
