import { type CommandsResultBody, commandsResult } from "@sealpost/protocol/exchanges/commands.ts";
import { jsonBytes } from "@sealpost/protocol/exchanges/readings.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { checkBody } from "../delivery/outbox.ts";
import { isDeviceError } from "../device-error.ts";

type Named = Pick<CommandsResultBody, "n" | "commandId">;

const reasonLength = 200;

/** What a handler answered, as a result that the service takes; one that cannot be said is `failed`, with a code in its place. */
export function doneWith(command: Named, output: unknown): CommandsResultBody {
  return resultOf(command, "done", output);
}

/** @param output of a handler that failed; what cannot be said of it is left out */
export function failedWith(command: Named, output: unknown): CommandsResultBody {
  return resultOf(command, "failed", output);
}

/** The beginning of what was thrown. */
export function reasonOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return [...message]
    .slice(0, reasonLength)
    .join("")
    .replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

function resultOf({ n, commandId }: Named, status: "done" | "failed", output: unknown): CommandsResultBody {
  if (output === undefined) return { n, commandId, status };
  const said = say(output);
  if ("code" in said) return { n, commandId, status: "failed", output: said };
  return { n, commandId, status, output: said.value };
}

/** Whether a result can hold it. */
export function isSayable(output: unknown): boolean {
  return "value" in say(output);
}

function say(output: unknown): { readonly value: unknown } | { readonly code: "output-invalid" | "output-too-large" } {
  const plain = toPlain(output);
  if (plain === undefined) return { code: "output-invalid" };
  if (jsonBytes(plain.value) > limits.commands.bytes) return { code: "output-too-large" };
  try {
    checkBody(commandsResult, { n: 1, commandId: "any", status: "done", output: plain.value });
    return plain;
  } catch (error) {
    if (!isDeviceError(error)) throw error;
    return { code: "output-invalid" };
  }
}

/** As JSON says it: a Date becomes its text, a member that is undefined goes. */
function toPlain(output: unknown): { readonly value: unknown } | undefined {
  try {
    const text: string | undefined = JSON.stringify(output);
    return text === undefined ? undefined : { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
