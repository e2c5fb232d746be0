import type { StateStore } from "../ports.ts";

/** For tests and simulations: a document that ends with the process. It keeps text, so nothing is shared with the caller. */
export function memoryStateStore(): StateStore {
  let text: string | undefined;
  return {
    async load() {
      return text === undefined ? null : JSON.parse(text);
    },
    async save(document) {
      text = JSON.stringify(document);
    },
  };
}
