import type { Command } from "commander";

import { type Output, openOutput } from "./output.ts";
import { type Service, openService } from "./service.ts";
import { type Stack, readStack } from "./stack.ts";

/** What a command works with. */
export type Session = { readonly stack: Stack; readonly service: Service; readonly output: Output };

export type GlobalOptions = { readonly stack?: string; readonly json?: boolean };

export function openSession(command: Command): Session {
  const { stack: path, json = false } = command.optsWithGlobals<GlobalOptions>();
  const stack = readStack(path);
  return { stack, service: openService(stack), output: openOutput({ json }) };
}
