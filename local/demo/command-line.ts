import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { isolatedEnvironment } from "../emulator/aws-environment.ts";
import { LocalFault } from "../fault.ts";
import type { Program, Programs } from "./programs.ts";

export type CommandLine = {
  /**
   * Runs one of our CLIs as a user would and shows what it prints, indented. Ends the demo if it fails.
   * @returns what it printed on standard output
   */
  run(program: Program, ...words: string[]): Promise<string>;
  /** Starts one that goes on beside the others; shows nothing of it. */
  start(program: Program, ...words: string[]): Running;
};

export type Running = {
  /**
   * Waits until what it printed holds, for a time, ends it as Ctrl-C does, and shows the lines of one subject.
   * @returns what it printed on standard output
   */
  endWhen(holds: (printed: string) => boolean, subject: string): Promise<string>;
  /** Ends it at once. */
  kill(): void;
};

const timeoutMilliseconds = 120_000;
const patienceMilliseconds = 20_000;
const lookMilliseconds = 50;

/**
 * @param hidden global options that every call of a program needs here and that a reader of the story does not
 * @param temporaryDirectory TMPDIR of the commands
 */
export function commandLine(
  programs: Programs,
  hidden: Record<Program, readonly string[]>,
  temporaryDirectory: string,
  log: (line: string) => void,
): CommandLine {
  const launch = (program: Program, words: readonly string[]) => {
    const child = spawn(process.execPath, [programs[program], ...hidden[program], ...words], {
      cwd: temporaryDirectory,
      // Its progress bar draws on our terminal only if there is one.
      stdio: ["ignore", "pipe", process.stderr.isTTY ? "inherit" : "pipe"],
      env: { ...isolatedEnvironment(temporaryDirectory), NO_COLOR: "1" },
      timeout: timeoutMilliseconds,
    });
    const printed = { text: "" };
    child.stdout?.on("data", (chunk: Buffer) => (printed.text += chunk.toString()));
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    const done = ended.then((code) => {
      if (code !== 0) throw new LocalFault("command-failed", `${program} ${words[0]} ended with exit code ${code}.`);
      return printed.text;
    });
    // Who started it looks at its end when it is time to.
    done.catch(() => undefined);
    return { child, printed, done };
  };
  const show = (program: Program, words: readonly string[]) => log(`  $ ${program} ${words.join(" ")}`);
  const showLines = ({ stdout, stderr }: ChildProcess) => {
    for (const stream of [stdout, stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (line) => log(`    ${line}`));
    }
  };
  return {
    async run(program, ...words) {
      show(program, words);
      const { child, done } = launch(program, words);
      showLines(child);
      return done;
    },
    start(program, ...words) {
      const { child, printed, done } = launch(program, words);
      child.stderr?.resume();
      return {
        async endWhen(holds, subject) {
          const until = Date.now() + patienceMilliseconds;
          while (child.exitCode === null && Date.now() < until && !holds(printed.text)) await delay(lookMilliseconds);
          child.kill("SIGINT");
          const text = await done;
          show(program, words);
          const lines = text.trimEnd().split("\n");
          const shown = lines.filter((line) => line.includes(subject));
          for (const line of shown) log(`    ${line}`);
          if (shown.length < lines.length) log(`    … and ${lines.length - shown.length} of others`);
          return text;
        },
        kill: () => void child.kill("SIGKILL"),
      };
    },
  };
}
