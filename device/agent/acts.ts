/** What the agent did, and what came of it: one line each, for a log, and the last ones in its record. Says nothing that it did not see. */
export type Act = {
  readonly act:
    | "start"
    | "bootstrap"
    | "register"
    | "boot"
    | "send"
    | "command"
    | "firmware"
    | "hook"
    | "renew"
    | "wait"
    | "error"
    | "stop";
  /** A word or two: `done`, `later`, `failed`, `installed`, … */
  readonly outcome: string;
  readonly detail?: { readonly [name: string]: string | number | undefined };
};

export type Say = (act: Act) => void;

type Line = { readonly act: string; readonly outcome: string; readonly detail?: Act["detail"] | undefined };

/** `command: done (name valve.open, commandId c-17)` */
export function lineOf({ act, outcome, detail = {} }: Line): string {
  const details = Object.entries(detail).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`],
  );
  return `${act}: ${outcome}${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
}
