import { deviceErrors } from "../device-error.ts";

const groups: { readonly [exit: number]: string } = {
  0: "done",
  1: "a fault of this program",
  2: "the command line is wrong",
  3: "not now: the order of things",
  4: "what was handed in",
  5: "nobody answers",
  6: "somebody else answers",
  7: "the credential",
  8: "the service says no",
  9: "what became of the message",
  10: "firmware",
  11: "this machine",
};

/** The table of exit codes and the error codes behind each. */
export function exitCodeHelp(): string {
  const lines = Object.entries(groups).map(([exit, meaning]) => {
    const codes = Object.entries(deviceErrors)
      .filter(([, error]) => String(error.exit) === exit)
      .map(([code]) => code);
    const listed = codes.length > 0 ? `: ${codes.join(", ")}` : "";
    return `  ${exit.padStart(2)}  ${meaning}${listed}`;
  });
  return ["Exit codes:", ...lines].join("\n");
}
