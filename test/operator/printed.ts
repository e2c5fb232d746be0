import { vi } from "vitest";

type Done = (error?: Error | null) => void;

/** Catches what is printed; the log lines of the function behind the API are not the CLI's. */
export function catchPrinted() {
  const printed = { out: "", error: "" };
  /** What the next writes to standard output fail with. */
  let failure: string | undefined;
  vi.spyOn(process.stdout, "write").mockImplementation((text, encoding?: unknown, done?: unknown) => {
    const told = (typeof encoding === "function" ? encoding : done) as Done | undefined;
    if (String(text).startsWith('{"function"')) return true;
    if (failure === undefined) printed.out += String(text);
    told?.(failure === undefined ? null : Object.assign(new Error("write failed"), { code: failure }));
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    printed.error += String(text);
    return true;
  });
  return {
    printed,
    clear() {
      printed.out = "";
      printed.error = "";
    },
    failWith(code: string | undefined) {
      failure = code;
    },
  };
}
