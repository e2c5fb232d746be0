import { parseBaseUrl } from "@sealpost/protocol/documents/base-url.ts";
import { type Command, InvalidArgumentError, Option } from "commander";
import * as z from "zod/mini";

const schema = z.object({
  home: z.string(),
  via: z.optional(z.string()),
  maxWait: z.number(),
  json: z.optional(z.boolean()),
  quiet: z.optional(z.boolean()),
});
export type GlobalOptions = z.infer<typeof schema>;

export function globalOptions(program: Command): void {
  program
    .addOption(
      new Option("--home <dir>", "where this device keeps its keys, state and firmware slots")
        .env("SEALPOST_DEVICE_HOME")
        .default("./sealpost-device"),
    )
    .option(
      "--via <url>",
      "send messages to this relay instead of the service's own addresses; any relay will do, nobody trusts it",
      parseUrl,
    )
    .option("--max-wait <seconds>", "how long to keep trying for an answer", parseSeconds, 60)
    .option("--json", "print the result, or the error, as one JSON object")
    .option("--quiet", "print nothing but errors");
}

/** For options that take a whole number; the schema of what it becomes bounds it. */
export function parseCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number.");
}

export function readGlobalOptions(program: Command): GlobalOptions {
  return schema.parse(program.opts());
}

function parseUrl(text: string): string {
  const parsed = parseBaseUrl(text, ["http", "https"]);
  if ("base" in parsed) return parsed.base;
  throw new InvalidArgumentError(`It ${parsed.defect}. Give an address such as http://relay.example:8080.`);
}

/** For options that take a number that is not negative. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && Number.isFinite(seconds) && seconds >= 0) return seconds;
  throw new InvalidArgumentError("Give a number of seconds.");
}
