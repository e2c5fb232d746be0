import type { HttpStream } from "../../../device/ports.ts";

/** An answer that breaks off after so many bytes. */
export function cut(stream: HttpStream, length: number): HttpStream {
  return {
    ...stream,
    body: (async function* () {
      let left = length;
      for await (const piece of stream.body) {
        yield piece.subarray(0, left);
        left -= piece.length;
        if (left <= 0) throw new Error("cut");
      }
    })(),
  };
}

/** An answer with one bit changed at an offset of the whole. */
export function damage(stream: HttpStream, at: number): HttpStream {
  return {
    ...stream,
    body: (async function* () {
      let offset = stream.first;
      for await (const piece of stream.body) {
        const copy = new Uint8Array(piece);
        if (offset <= at && at < offset + copy.length) copy[at - offset] = (copy[at - offset] ?? 0) ^ 1;
        offset += copy.length;
        yield copy;
      }
    })(),
  };
}
