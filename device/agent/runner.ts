import { judgeProcess, markOf, ownMark } from "../adapters/process-mark.ts";
import type { Say } from "./acts.ts";
import { type Ended, runExecutable, signalGroup } from "./executable.ts";
import type { RecordKeeper } from "./record.ts";

export type Runner = (call: {
  readonly file: string;
  readonly args: readonly string[];
  readonly input: object;
  readonly timeoutSeconds: number;
  /** What a command does to the world must not be under way twice: its process is in the record. */
  readonly isRecorded?: boolean;
}) => Promise<Ended>;

const outputBytes = 4_096;
const graceSeconds = 5;

/** Runs executables for the agent. */
export function runnerFor(input: {
  readonly keeper: RecordKeeper;
  readonly say: (line: string) => void;
  readonly environment: { readonly [name: string]: string };
  /** Once the agent is to stop and has waited for long enough. */
  readonly signal: AbortSignal;
}): Runner {
  const { keeper, say, environment, signal } = input;
  return async ({ isRecorded = false, ...call }) =>
    runExecutable({
      ...call,
      outputBytes,
      graceSeconds,
      environment,
      signal,
      onLog: say,
      ...(isRecorded && { onStart: async (pid: number) => keeper.change({ process: await markOf(pid) }) }),
    });
}

/** What a killed agent left running: ended before anything else is started. A process that only has the same number is left alone. */
export async function endLeftOver(keeper: RecordKeeper, say: Say): Promise<void> {
  const { process: mark } = keeper.record;
  if (!mark) return;
  const own = await ownMark();
  const isAlive = async () => (await judgeProcess(mark, own, false)) === "alive";
  if (await isAlive()) {
    say({ act: "command", outcome: "left-over-ended", detail: { pid: mark.pid } });
    signalGroup(mark.pid, "SIGTERM");
    for (let waited = 0; waited < graceSeconds * 20 && (await isAlive()); waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    signalGroup(mark.pid, "SIGKILL");
  }
  await keeper.change({ process: null });
}
