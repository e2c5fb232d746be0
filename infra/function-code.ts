/** Where the code of each function begins, from the root of the repo. The names are those of `dist/functions/<name>/`. */
export const functionEntries = {
  bootstrap: "functions/bootstrap/main.ts",
  messages: "functions/messages/main.ts",
  "keyset-sign": "functions/key-set/sign.main.ts",
  "keyset-read": "functions/key-set/read.main.ts",
  operator: "functions/operator/main.ts",
} as const;

export type FunctionName = keyof typeof functionEntries;

/** One directory with an `index.mjs` that exports `handler`, for each function. */
export type FunctionCode = Readonly<Record<FunctionName, string>>;
