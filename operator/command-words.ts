import { readFileSync } from "node:fs";

import { commandArgumentsSchema } from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { idSchema } from "@sealpost/protocol/operator/act.ts";
import { type QueueCommandRequest, commandValidSeconds } from "@sealpost/protocol/operator/commands.ts";
import { InvalidArgumentError } from "commander";

import { reasonOf } from "./credential-file.ts";
import { durationOption } from "./options.ts";

/** What `command send` is told, parsed and bounded before anything is sent. */

/** All of it is looked at before anything is sent. */
export function devicesOption(path: string): readonly string[] {
  const lines = readText(path)
    .split("\n")
    .map((line, index) => ({ id: line.replace(/#.*$/u, "").trim(), number: index + 1 }))
    .filter(({ id }) => id !== "");
  const seen = new Map<string, number>();
  for (const { id, number } of lines) {
    if (!idSchema.safeParse(id).success)
      throw new InvalidArgumentError(`Line ${number} of ${path} is not a whole device id.`);
    const earlier = seen.get(id);
    if (earlier !== undefined)
      throw new InvalidArgumentError(`Line ${number} of ${path} names the device of line ${earlier} again.`);
    seen.set(id, number);
  }
  if (lines.length === 0) throw new InvalidArgumentError(`${path} names no device.`);
  return lines.map(({ id }) => id);
}

export function argumentsOption(given: string): QueueCommandRequest["arguments"] {
  let json: unknown;
  const source = given === "-" ? readText(0) : given.startsWith("@") ? readText(given.slice(1)) : given;
  try {
    json = JSON.parse(source);
  } catch {
    throw new InvalidArgumentError("It is not JSON.");
  }
  const { bytes, depth } = limits.commands;
  const parsed = commandArgumentsSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(
    `It is a JSON object of at most ${bytes} bytes, without white space, and at most ${depth} deep.`,
  );
}

function readText(from: string | 0): string {
  try {
    return readFileSync(from, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`${from === 0 ? "Standard input" : from} cannot be read (${reasonOf(error)}).`);
  }
}

export function validOption(given: string): number {
  const seconds = durationOption(given);
  if (seconds <= commandValidSeconds.most) return seconds;
  throw new InvalidArgumentError("It is at most 10 years.");
}
