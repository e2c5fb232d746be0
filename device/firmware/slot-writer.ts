import type { FirmwareSlots } from "../ports.ts";

/** Bytes of a durable write, so that a record need not be one: each costs a turn of the flash or the disk. */
const batchBytes = 1_048_576;

/** Gathers the data of records to writes that are worth it. */
export class SlotWriter {
  readonly #slots: Pick<FirmwareSlots, "write">;
  readonly #onWritten: (offset: number) => Promise<void>;
  readonly #batch: Uint8Array<ArrayBuffer>;
  #filled = 0;
  #offset: number;

  /**
   * @param offset where to go on
   * @param size of the image
   * @param onWritten told what is durable, from the start
   */
  constructor(
    slots: Pick<FirmwareSlots, "write">,
    offset: number,
    size: number,
    onWritten: (offset: number) => Promise<void>,
  ) {
    this.#slots = slots;
    this.#onWritten = onWritten;
    this.#offset = offset;
    this.#batch = new Uint8Array(Math.min(batchBytes, size - offset));
  }

  async add(data: Uint8Array): Promise<void> {
    if (this.#filled + data.length > this.#batch.length) await this.flush();
    this.#batch.set(data, this.#filled);
    this.#filled += data.length;
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#slots.write(this.#offset, this.#batch.subarray(0, this.#filled));
    this.#offset += this.#filled;
    this.#filled = 0;
    await this.#onWritten(this.#offset);
  }
}
