import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";

import { isolatedEnvironment } from "../emulator/aws-environment.ts";
import { LocalFault } from "../fault.ts";
import { repository } from "../repository.ts";

export type CommandLine = {
  /**
   * Runs one of our CLIs as a user would and shows what it prints, indented. Ends the demo if it fails.
   * @returns what it printed on standard output
   */
  run(program: "sealpost" | "sealpost-device", ...words: string[]): Promise<string>;
};

const folders = { sealpost: "operator", "sealpost-device": "device" } as const;
const timeoutMilliseconds = 120_000;

/**
 * @param hidden global options that every call of a program needs here and that a reader of the story does not
 * @param temporaryDirectory TMPDIR of the commands
 */
export function commandLine(
  hidden: Record<"sealpost" | "sealpost-device", readonly string[]>,
  temporaryDirectory: string,
  log: (line: string) => void,
): CommandLine {
  return {
    async run(program, ...words) {
      log(`  $ ${program} ${words.join(" ")}`);
      const bin = join(repository, folders[program], "bin.js");
      const child = spawn(process.execPath, [bin, ...hidden[program], ...words], {
        cwd: temporaryDirectory,
        // Its progress bar draws on our terminal only if there is one.
        stdio: ["ignore", "pipe", process.stderr.isTTY ? "inherit" : "pipe"],
        env: { ...isolatedEnvironment(temporaryDirectory), NO_COLOR: "1" },
        timeout: timeoutMilliseconds,
      });
      let printed = "";
      child.stdout?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface({ input: stream }).on("line", (line) => log(`    ${line}`));
      }
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", resolve);
      });
      if (code !== 0) throw new LocalFault("command-failed", `${program} ${words[0]} ended with exit code ${code}.`);
      return printed;
    },
  };
}
