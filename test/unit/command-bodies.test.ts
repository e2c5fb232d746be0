import { describe, expect, test } from "vitest";

import {
  commandArgumentsSchema,
  commandsNextReplySchema,
  commandsResultBodySchema,
} from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";

const result = { n: 1, commandId: "9xF2mQ0rTz-4kLwYb1uVsA", status: "done" };
const filler = (bytes: number) => ({ of: "x".repeat(bytes - '{"of":""}'.length) });
/** An object that nests others, itself counted. */
const nested = (depth: number): object => (depth === 1 ? {} : { in: nested(depth - 1) });

describe("arguments", () => {
  test.each([
    ["none", {}],
    ["any JSON", { a: [null, true, 1e300, "é", { b: [] }] }],
    ["as many bytes as there may be", filler(limits.commands.bytes)],
    ["as deep as they may be", nested(limits.commands.depth)],
  ])("ok/%s", (_, given) => {
    expect(commandArgumentsSchema.safeParse(given).success).toBe(true);
  });

  test.each([
    ["no object", [1]],
    ["one byte too many", filler(limits.commands.bytes + 1)],
    ["one character that is two bytes too many", { of: `${filler(limits.commands.bytes - 1).of}é` }],
    ["one level too deep", nested(limits.commands.depth + 1)],
    ["an array one level too deep", { in: [nested(limits.commands.depth - 1)] }],
  ])("fails/%s", (_, given) => {
    expect(commandArgumentsSchema.safeParse(given).success).toBe(false);
  });
});

describe("the body of commands.result", () => {
  test.each([
    ["without output", result],
    ["output that is null", { ...result, output: null }],
    ["output that is a text", { ...result, output: "was 3600" }],
    ["output as deep as it may be", { ...result, output: nested(limits.commands.depth) }],
  ])("ok/%s", (_, body) => {
    expect(commandsResultBodySchema.safeParse(body).data).toEqual(body);
  });

  test.each([
    ["number 0", { ...result, n: 0 }],
    ["an id of another form", { ...result, commandId: "a b" }],
    ["an end that is not the device's to say", { ...result, status: "cancelled" }],
    ["output one byte too long", { ...result, output: "x".repeat(limits.commands.bytes - 1) }],
    ["output too deep", { ...result, output: nested(limits.commands.depth + 1) }],
    ["a member that nobody knows", { ...result, at: 1 }],
  ])("fails/%s", (_, body) => {
    expect(commandsResultBodySchema.safeParse(body).success).toBe(false);
  });
});

describe("the reply to commands.next", () => {
  const command = { n: 1, commandId: "c", name: "reboot", arguments: {} };

  test.each([
    ["a command", { command }],
    ["no command", { command: null }],
    ["freed content", {}],
  ])("ok/%s", (_, reply) => {
    expect(commandsNextReplySchema.safeParse(reply).data).toEqual(reply);
  });

  test("ok/members of a later version are passed over", () => {
    const later = { command: { ...command, priority: 1 }, more: true };
    expect(commandsNextReplySchema.safeParse(later).data).toEqual({ command });
  });

  test("fails/a command without a name", () => {
    expect(commandsNextReplySchema.safeParse({ command: { ...command, name: undefined } }).success).toBe(false);
  });
});
