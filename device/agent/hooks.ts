import type { Say } from "./acts.ts";
import { type Ended, findExecutable } from "./executable.ts";
import type { Runner } from "./runner.ts";

/** What an integrator's machine is asked around an update. None need be there. */
export type HookName =
  /** May the download begin? */
  | "before-update"
  /** Restart the machine into what the boot loader tries next, or back to where it was. */
  | "restart"
  /** Which firmware runs? Prints `{ "version": …, "counter": … }`. */
  | "running"
  /** Does the firmware on trial work? */
  | "health"
  /** An update has ended. */
  | "after-update";

export type Hooks = {
  /** @returns `absent` where there is none; one that may not be run has failed */
  run(name: HookName, input: object): Promise<Ended | { readonly kind: "absent" }>;
};

/** The executables of a folder, by name. */
export function hooksIn(folder: string | undefined, timeoutSeconds: number, runner: Runner, say: Say): Hooks {
  return {
    async run(name, input) {
      if (folder === undefined) return { kind: "absent" };
      const found = await findExecutable(folder, name);
      if ("absent" in found) return { kind: "absent" };
      if ("unsafe" in found) {
        say({ act: "hook", outcome: "refused", detail: { hook: name, why: found.unsafe } });
        return { kind: "failed", reason: "not-started" };
      }
      const ended = await runner({ file: found.file, args: [name], input, timeoutSeconds });
      if (ended.kind !== "done") say({ act: "hook", outcome: ended.kind, detail: { hook: name, ...detailOf(ended) } });
      return ended;
    },
  };
}

/** What a log says of an end that was not well. */
function detailOf(ended: Ended): { readonly [name: string]: string | number | undefined } {
  if (ended.kind !== "failed") return {};
  const { reason, exit, signal } = ended;
  return { reason, exit, signal };
}
