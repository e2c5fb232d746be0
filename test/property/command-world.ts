import { randomUUID } from "node:crypto";

import fc from "fast-check";
import { expect } from "vitest";

import { type CommandResultStatus, commandResultStatuses } from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { CommandDetail, CommandSummary } from "@sealpost/protocol/operator/commands.ts";
import { parseJws, signJws, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import { serveExchanges } from "../../functions/exchanges/exchanges.ts";
import type { ServedExchanges } from "../../functions/exchanges/exchange.ts";
import { decisions } from "../../functions/operator/decisions.ts";
import type { OperatorPorts } from "../../functions/operator/ports.ts";
import type { UnsealedRequest } from "../../functions/receive/open.ts";
import { type Answer, render } from "../../functions/receive/render.ts";
import { write } from "../../functions/receive/write.ts";
import { type CommandRecord, parseCommand, readCommands } from "../../functions/registry/command-items.ts";
import { type Device, devicePuts, newDevice, readDevice } from "../../functions/registry/device.ts";
import { isLiving } from "../../functions/registry/status.ts";
import { releases } from "../../functions/releases/releases.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { type Item, type Put, type Store, tables } from "../../functions/store/port.ts";
import type { DeviceKeys } from "../../functions/store/records.ts";
import { type SigningKey, agreementKey, signingKey } from "../support/keys.ts";

/**
 * Random schedules of operators, a device and restores, each act cut open by another one between its reads and its write, against the service's
 * half of the rules in docs/protocol.md, "Rules of commands". What is stored is looked at after every act.
 */

/** Assertions of a world, outside of any test's own block. */
const that: typeof expect = expect;
const start = 1_800_000_000;
const actor = "arn:aws:iam::123456789012:user/olga";

type Act =
  | { readonly kind: "queue"; readonly id: number; readonly valid: number | undefined }
  | { readonly kind: "cancel" | "show"; readonly id: number }
  | { readonly kind: "list" | "revoke" | "deregister" | "register" }
  | { readonly kind: "next"; readonly back: number; readonly acknowledges: boolean }
  | { readonly kind: "result"; readonly pick: number; readonly status: CommandResultStatus; readonly isWrong: boolean }
  /** Two words on one command. */
  | { readonly kind: "results"; readonly pick: number; readonly statuses: readonly CommandResultStatus[] }
  | { readonly kind: "repeat"; readonly pick: number };
type Step =
  | { readonly act: Act; readonly rival?: { readonly act: Act; readonly at: number } | undefined }
  | { readonly pass: number }
  | { readonly snapshot: "taken" | "lost" }
  | { readonly restore: true };

const small = fc.nat({ max: 40 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("queue" as const),
      id: small,
      valid: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "show" as const), id: small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("list" as const, "register" as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("next" as const),
      back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 5 }) }),
      acknowledges: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("result" as const),
      pick: small,
      status: fc.constantFrom(...commandResultStatuses),
      isWrong: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("results" as const),
      pick: small,
      statuses: fc.shuffledSubarray([...commandResultStatuses], { minLength: 2, maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("repeat" as const), pick: small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("revoke" as const, "deregister" as const) }) },
);
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      act,
      rival: fc.option(fc.record({ act, at: fc.nat({ max: 5 }) }), { nil: undefined, freq: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 40 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ snapshot: fc.constantFrom("taken" as const, "taken" as const, "lost" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ restore: fc.constant(true as const) }) },
);

let keys: DeviceKeys;
let signer: SigningKey;
let kid: string;
let receiptKey: SigningKey;
/** Keys of the device and of receipts, once for all worlds. */
export async function makeKeys(): Promise<void> {
  signer = await signingKey();
  keys = { signingKey: signer.jwk, encryptionKey: (await agreementKey()).jwk };
  kid = await thumbprint(keys.signingKey);
  receiptKey = await signingKey();
}

type Message = {
  readonly operation: string;
  readonly body: { readonly [member: string]: unknown };
  readonly seq: number;
  readonly ack: number;
  readonly jti: string;
};

export class World {
  readonly deviceId = randomUUID();
  now = start;
  generation = 1;
  items = new Map<string, Put>();
  inner: Store = memoryStore();
  store: Store = this.#open(this.inner);
  exchanges!: ServedExchanges;
  /** A rival and the number of calls to the store before it acts. */
  rival: { act: Act; at: number } | undefined;
  snapshot: readonly Put[] = [];

  seq = 0;
  ack = 0;
  handled = 0;
  readonly sent: { message: Message; answer: Answer }[] = [];
  /** Commands that some reply ever carried. */
  readonly delivered = new Map<number, Command>();
  readonly results = new Map<number, Set<string>>();
  /** The first sight of each command, and of its end. */
  readonly history = new Map<number, CommandRecord>();
  /** Restored since: what was never delivered counts as delivered. */
  recalled = new Set<number>();

  #open(inner: Store): Store {
    const rivalry = async () => {
      if (!this.rival) return;
      this.rival.at -= 1;
      if (this.rival.at >= 0) return;
      const { act: rival } = this.rival;
      this.rival = undefined;
      await this.act(rival, true);
    };
    return {
      read: async (asked) => {
        await rivalry();
        return inner.read(asked);
      },
      list: async (asked) => {
        await rivalry();
        return inner.list(asked);
      },
      write: async (puts) => {
        await rivalry();
        const written = await inner.write(puts);
        if (written) for (const put of puts) this.items.set(pathOf(put), put);
        that(new Set(puts.map(pathOf)).size).toBe(puts.length);
        that(puts.length).toBeLessThanOrEqual(100);
        return written;
      },
    };
  }

  async begin(): Promise<void> {
    this.#serve();
    const made = newDevice({
      deviceId: this.deviceId,
      serialNumber: "SN-1",
      credentialId: randomUUID(),
      keys,
      certificate: "AAAA",
      created: start,
    });
    const { deviceId: _, ...detail } = {
      deviceId: "",
      serialNumber: "SN-1",
      credentialId: made.identity.credentialId,
      keys,
      certificate: "AAAA",
    };
    const certified = { action: "device.certified", detail } as const;
    await this.store.write(devicePuts(made, made, 1, { events: [certified], actor, time: start }));
    await this.act({ kind: "register" });
  }

  #serve(): void {
    this.exchanges = serveExchanges({
      serviceId: "sealpost-test",
      releases: releases(this.store, async () => new Uint8Array()),
      commands: (deviceId, numbers) => readCommands(this.store, deviceId, numbers),
      receiptSigner: async () => receiptKey,
      ca: async () => receiptKey,
    });
  }

  /** The journal stays; the device's items are those of the snapshot. */
  async restore(): Promise<void> {
    const kept = [...this.items.values()].filter(({ table }) => table === "journal");
    this.inner = memoryStore();
    const restored = [...kept, ...this.snapshot].map((put): Put => ({ ...put, when: "absent" }));
    that(await this.inner.write(restored)).toBe(true);
    this.items = new Map(restored.map((put) => [pathOf(put), put]));
    this.store = this.#open(this.inner);
    this.generation += 1;
    for (const n of this.history.keys()) this.recalled.add(n);
    this.#serve();
  }

  takeSnapshot(is: "taken" | "lost"): void {
    this.snapshot = is === "lost" ? [] : [...this.items.values()].filter(({ table }) => table === "devices");
  }

  records(): CommandRecord[] {
    const items = [...this.items.values()].map(({ item }) => item);
    return items
      .filter(({ at }) => typeof at === "string" && at.startsWith("command#"))
      .map(parseCommand)
      .toSorted((a, b) => a.n - b.n);
  }

  journal(): Item[] {
    return [...this.items.values()].flatMap(({ item }) =>
      String(item["action"]).startsWith("command.") ? [item] : [],
    );
  }

  device(): Promise<Device | undefined> {
    return readDevice(this.inner, this.deviceId, this.generation);
  }

  async act(said: Act, isRival = false): Promise<void> {
    switch (said.kind) {
      case "queue":
        return this.queue(said.id, said.valid, isRival);
      case "cancel":
        return this.cancel(said.id, isRival);
      case "show":
        return this.show(said.id);
      case "list":
        return this.list(isRival);
      case "revoke": {
        const answer = await decisions.revokeDevice(
          { ...this.stamp(), path: this.path, query: undefined, request: undefined },
          this.ports(),
        );
        const gone =
          "problem" in answer && answer.problem["detail"] !== undefined && answer.problem.code === "conflict";
        if (!gone && !("problem" in answer)) await this.expectClosed();
        return;
      }
      case "register": {
        const body = { model: "meter", hardware: "r2", firmware: { version: "1.0.0", counter: 1 }, capabilities: [] };
        await this.say("register", body, isRival);
        return;
      }
      case "deregister": {
        const answer = await this.say("deregister", {}, isRival);
        if (answer.status === "ok") await this.expectClosed();
        return;
      }
      case "next":
        return this.next(said.back, said.acknowledges, isRival);
      case "result":
        return this.result(said.pick, said.status, said.isWrong, isRival);
      case "results":
        for (const status of said.statuses) await this.result(said.pick, status, false, isRival);
        return;
      case "repeat": {
        const before = this.sent[said.pick % Math.max(1, this.sent.length)];
        if (!before) return;
        await this.send(before.message, isRival);
      }
    }
  }

  readonly path = { deviceId: this.deviceId };

  stamp() {
    return { actor, now: this.now, unique: randomUUID() };
  }

  ports(): OperatorPorts {
    return {
      serviceId: "sealpost-test",
      generation: this.generation,
      store: this.store,
      now: () => this.now,
      newId: () => randomUUID(),
    };
  }

  async queue(id: number, valid: number | undefined, isRival: boolean): Promise<void> {
    const [before, device] = [this.records(), await this.device()];
    const interrupted = this.rival !== undefined || isRival;
    const commandId = `c${id}`;
    const request = {
      commandId,
      name: "turn",
      arguments: { id },
      ...(valid === undefined ? {} : { validSeconds: valid }),
    };
    const answer = await decisions.queueCommand(
      { ...this.stamp(), path: this.path, query: undefined, request },
      this.ports(),
    );
    if ("reply" in answer) this.believe(answer.reply.command);
    if (interrupted || !device) return;
    const given = before.find((record) => record.commandId === commandId);
    if (given) {
      // The same id names the same command, or is refused.
      const isSame = given.expires === undefined ? valid === undefined : given.expires - given.queued === valid;
      if (!isSame) return expectProblem(answer, "conflict");
      that(answer).toMatchObject({ reply: { command: { n: given.n } } });
      return that(this.records().length).toBe(before.length) as never;
    }
    if (!isLiving(device.status)) return expectProblem(answer, "conflict");
    const waiting = device.commands.open.filter(
      ({ delivered, expires }) => delivered || expires === undefined || expires > this.now,
    );
    if (waiting.length >= limits.commands.open) return expectProblem(answer, "commands-full");
    that(answer).toMatchObject({ reply: { command: { n: before.length + 1, state: "queued" } } });
  }

  async cancel(id: number, isRival: boolean): Promise<void> {
    const [before, device] = [this.records(), await this.device()];
    const interrupted = this.rival !== undefined || isRival;
    const path = { ...this.path, commandId: `c${id}` };
    const answer = await decisions.cancelCommand(
      { ...this.stamp(), path, query: undefined, request: undefined },
      this.ports(),
    );
    if ("problem" in answer) return expectProblem(answer, "not-found");
    const { command } = answer.reply;
    this.believe(command);
    if (interrupted) return;
    const given = before.find((record) => record.commandId === `c${id}`);
    const open = device?.commands.open.find(({ n }) => n === given?.n);
    if (given?.end) that(command.state).toBe(given.end.status);
    else if (open?.delivered) that(command.state).toBe(device && isLiving(device.status) ? "delivered" : "unknown");
    else if (device && !isLiving(device.status)) that(command.state).toBe("void");
    else that(command.state).toBe(open?.expires !== undefined && open.expires <= this.now ? "expired" : "cancelled");
  }

  async show(id: number): Promise<void> {
    const path = { ...this.path, commandId: `c${id}` };
    const answer = await decisions.showCommand(
      { ...this.stamp(), path, query: undefined, request: undefined },
      this.ports(),
    );
    if ("problem" in answer) return expectProblem(answer, "not-found");
    this.believe(answer.reply.command);
  }

  async list(isRival: boolean): Promise<void> {
    const interrupted = this.rival !== undefined || isRival;
    const answer = await decisions.listCommands(
      { ...this.stamp(), path: this.path, query: { limit: 100 }, request: undefined },
      this.ports(),
    );
    if ("problem" in answer) throw new Error(JSON.stringify(answer));
    const { commands } = answer.reply;
    for (const command of commands) this.believe(command);
    if (!interrupted)
      that(commands.map(({ n }) => n)).toEqual(
        this.records()
          .map(({ n }) => n)
          .toReversed(),
      );
    // After a look, nothing waits that can never be delivered.
    if (!interrupted) {
      const late = commands.filter(
        ({ state, expires }) => state === "queued" && expires !== undefined && expires <= this.now,
      );
      that(late).toEqual([]);
    }
  }

  /** What an operator was told is so, now and later. */
  believe({ n, state, commandId }: CommandSummary | CommandDetail): void {
    const record = this.records().find((found) => found.n === n);
    that(record?.commandId).toBe(commandId);
    if (state === "delivered" || state === "queued") return;
    that(record?.end?.status).toBe(state);
  }

  async say(operation: string, body: Message["body"], isRival: boolean, acknowledges = true): Promise<Answer> {
    this.seq += 1;
    if (acknowledges) this.ack = this.seq - 1;
    else this.ack = Math.max(this.ack, this.seq - 20);
    const message = { operation, body, seq: this.seq, ack: this.ack, jti: randomUUID() };
    return this.send(message, isRival);
  }

  async send(message: Message, isRival: boolean): Promise<Answer> {
    const interrupted = this.rival !== undefined || isRival;
    const device = await readDevice(this.store, this.deviceId, this.generation);
    if (!device) throw new Error("no device");
    const signed = {
      ...message,
      iss: this.deviceId,
      aud: "sealpost-test",
      iat: this.now,
      exp: this.now + 3_600,
      serverKey: kid,
      replyKey: await thumbprint(keys.encryptionKey),
    };
    const token = await signJws(tokenTypes.request, signed, signer, limits.padding.request);
    const jws = parseJws(tokenTypes.request, token);
    // What `unsealRequest` makes of a token, without the encryption: thousands of them are sent here.
    const request = { deviceId: this.deviceId, jws, claims: signed } as unknown as UnsealedRequest;
    const ports = { store: this.store, generation: this.generation, exchanges: this.exchanges };
    const [effect] = await write(ports, device, [request], this.now, () => false);
    if (!effect?.request || "error" in effect) throw new Error("no effect");
    const answer = await render(this.exchanges, effect.request, effect);
    if (message.operation === "commands.next" && answer.status === "ok") this.deliver(answer);
    if (!interrupted) {
      const open = this.records().filter(({ end }) => !end);
      const present = await this.device();
      that(answer.waiting).toBe(open.length > 0 && present && isLiving(present.status) ? true : undefined);
    }
    const first = this.sent.find((sent) => sent.message === message);
    if (!first) this.sent.push({ message, answer });
    // A repeat is answered alike, unless its content was freed or a restore took its outcome.
    else if (this.generation === 1 && answer.status === "ok" && Object.keys(answer.body).length > 0)
      that(answer.body).toEqual(first.answer.body);
    return answer;
  }

  deliver({ body }: Answer): void {
    const command = body["command"] as Command | null | undefined;
    if (!command) return;
    const before = this.delivered.get(command.n);
    if (before) that(command).toEqual(before);
    this.delivered.set(command.n, command);
  }

  async next(back: number, acknowledges: boolean, isRival: boolean): Promise<void> {
    const interrupted = this.rival !== undefined || isRival;
    const handled = Math.max(0, this.handled - back);
    const [before, device] = [this.records(), await this.device()];
    const answer = await this.say("commands.next", { handled }, isRival, acknowledges);
    if (answer.status !== "ok" || interrupted || !device) return;
    const isPassed = (n: number) => {
      const open = device.commands.open.find((found) => found.n === n);
      return open && !open.delivered && open.expires !== undefined && open.expires <= this.now;
    };
    const above = before.filter(({ n, end }) => n > handled && !end);
    const expected = above.find(({ n }) => !isPassed(n));
    const command = answer.body["command"] as Command | null;
    that(command?.n).toBe(expected?.n);
    if (!expected || !command) return;
    that(command).toMatchObject({ commandId: expected.commandId, name: "turn" });
    const after = this.records();
    for (const { n } of above)
      if (n < expected.n) that(after.find((record) => record.n === n)?.end?.status).toBe("expired");
  }

  async result(pick: number, status: CommandResultStatus, isWrong: boolean, isRival: boolean): Promise<void> {
    const interrupted = this.rival !== undefined || isRival;
    const known = [...this.delivered.values()];
    const command = known[pick % Math.max(1, known.length)];
    if (!command) return;
    const before = this.records().find(({ n }) => n === command.n);
    const commandId = isWrong ? "another" : command.commandId;
    if (!isWrong) (this.results.get(command.n) ?? this.results.set(command.n, new Set()).get(command.n))?.add(status);
    const answer = await this.say("commands.result", { n: command.n, commandId, status }, isRival);
    if (answer.status === "ok") this.handled = Math.max(this.handled, command.n);
    if (answer.status !== "ok") return that(["unknown-command", "revoked", "gone"]).toContain(answer.status) as never;
    that(isWrong).toBe(false);
    const after = this.records().find(({ n }) => n === command.n);
    if (!interrupted) that(after?.end?.status).toBe(before?.end?.status ?? status);
  }

  /** Everything about a device that has ended has an end. */
  async expectClosed(): Promise<void> {
    for (const { n, end } of this.records()) {
      that([n, end?.status]).not.toEqual([n, undefined]);
    }
  }

  async take(taken: Step): Promise<void> {
    if ("pass" in taken) this.now += taken.pass;
    else if ("snapshot" in taken) this.takeSnapshot(taken.snapshot);
    else if ("restore" in taken) await this.restore();
    else {
      this.rival = taken.rival && { ...taken.rival };
      await this.act(taken.act);
      this.rival = undefined;
    }
    await this.check();
  }

  async check(): Promise<void> {
    const device = await this.device();
    if (!device) throw new Error("no device");
    const records = this.records();
    // Numbers are counted, none is used again, and the device's own items agree with the commands'.
    that(records.map(({ n }) => n)).toEqual(records.map((_, index) => index + 1));
    that(device.commands.highest).toBe(records.length);
    that(device.commands.open.map(({ n }) => n)).toEqual(records.flatMap(({ n, end }) => (end ? [] : [n])));
    that(device.commands.open.length).toBeLessThanOrEqual(limits.commands.open);
    const journal = this.journal();
    for (const record of records) {
      const { n, end, commandId, expires } = record;
      const known = this.history.get(n);
      // Content never changes, and an end is for good, over restores too.
      if (known) that(record).toMatchObject({ commandId: known.commandId, arguments: known.arguments });
      if (known?.end) that(end).toEqual(known.end);
      this.history.set(n, record);
      const entries = journal.filter(({ detail }) => (detail as { n: number }).n === n).map(({ action }) => action);
      that(entries.filter((action) => action === "command.queued")).toHaveLength(1);
      that(entries).toHaveLength(end ? 2 : 1);
      if (!end) continue;
      const isWord = entries.includes("command.result");
      if (isWord) {
        that(this.results.get(n)).toContain(end.status);
        continue;
      }
      that(entries).toContain(`command.${end.status}`);
      // What is said to be cancelled, expired or void was in no reply, and never will be.
      if (end.status !== "unknown") that([commandId, this.delivered.has(n)]).toEqual([commandId, false]);
      else
        that([commandId, this.delivered.has(n) || this.recalled.has(n) || device.status !== "registered"]).toEqual([
          commandId,
          true,
        ]);
      if (end.status === "expired") that(end.at).toBeGreaterThanOrEqual(expires ?? Infinity);
    }
    for (const [n] of this.delivered) {
      const end = records.find((record) => record.n === n)?.end;
      if (!end) that(device.commands.open.find((open) => open.n === n)?.delivered).toBe(true);
    }
  }
}

type Command = { readonly n: number; readonly commandId: string };

function pathOf({ table, item }: Put): string {
  return JSON.stringify([table, ...tables[table].map((name) => item[name])]);
}

function expectProblem(answer: object, code: string): void {
  that(answer).toMatchObject({ problem: { code } });
}
