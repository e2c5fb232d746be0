import { join } from "node:path";

/** The functions of the service. */
export const functionNames = [
  "bootstrap",
  "messages",
  "key-set-sign",
  "key-set-read",
  "operator",
  "publisher",
] as const;
export type FunctionName = (typeof functionNames)[number];

/** Where the code of each begins, from the root of the repository. */
export const functionEntries = {
  bootstrap: "functions/bootstrap/main.ts",
  messages: "functions/messages/main.ts",
  "key-set-sign": "functions/key-set/sign.main.ts",
  "key-set-read": "functions/key-set/read.main.ts",
  operator: "functions/operator/main.ts",
  publisher: "functions/publisher/main.ts",
} as const satisfies Record<FunctionName, string>;

/** For each function a directory with an `index.mjs` that exports `handler`. */
export type FunctionCode = Readonly<Record<FunctionName, string>>;

/** The code that was bundled into one directory, an entry each, under the function's name. */
export function functionCodeIn(directory: string): FunctionCode {
  const inside = (name: FunctionName) => join(directory, name);
  return {
    bootstrap: inside("bootstrap"),
    messages: inside("messages"),
    "key-set-sign": inside("key-set-sign"),
    "key-set-read": inside("key-set-read"),
    operator: inside("operator"),
    publisher: inside("publisher"),
  };
}
