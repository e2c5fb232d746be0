import { setTimeout as sleep } from "node:timers/promises";

import { isOperation } from "@sealpost/protocol/exchanges/exchanges.ts";
import { type Refusal, refusalBody } from "@sealpost/protocol/messages/refusals.ts";
import type { ReplyClaims } from "@sealpost/protocol/messages/reply.ts";

import type { Decision } from "../exchanges/exchange.ts";
import { type Device, devicePuts, readDevice, settleKeys } from "../registry/device.ts";
import { type Outcome, accept } from "../registry/window.ts";
import { deviceTarget, journalPut } from "../store/journal.ts";
import type { Put } from "../store/port.ts";
import type { JournalRecord } from "../store/records.ts";
import { type Place, type Verdict, check } from "./judge.ts";
import { type VerifiedRequest, reopenRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";

/** What the reply says. */
export type Answer = Pick<ReplyClaims, "status" | "body">;

/** A lost race reads once more; behind this many, the device tries again later. */
const tries = 8;

/**
 * Gives a verified message its effect, exactly once: decides on what was read, commits if nothing changed since, and otherwise reads and
 * decides again; whoever lost a race to the same message finds its outcome stored.
 * @throws Fault if the store or the custody does not answer; nothing was written, or the same message finds what was; TokenError if the key
 *   under which the message is signed ended before it could take effect
 */
export async function execute(ports: MessagePorts, opened: VerifiedRequest, now: number): Promise<Answer> {
  let request = opened;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const { device } = request;
    const verdict = check(ports.exchanges, request, device, now);
    const step = await decide(ports, request, device, verdict, now);
    if (step.puts.length === 0 || (await ports.store.write(step.puts))) return render(ports, request, step);
    await sleep(Math.random() * 10 * 2 ** attempt);
    const present = await readDevice(ports.store, device.identity.deviceId, ports.generation);
    if (!present) break;
    request = await reopenRequest(request, present);
  }
  return refuse({ code: "throttled" });
}

/** What to write and what to say then. */
type Step = {
  readonly puts: ReturnType<typeof devicePuts>;
  readonly device: Device;
  readonly outcome: Pick<Outcome, "status" | "result">;
  readonly refusal?: Refusal;
};

async function decide(
  ports: MessagePorts,
  request: VerifiedRequest,
  before: Device,
  verdict: Verdict,
  now: number,
): Promise<Step> {
  const device = request.endsRenewal ? { ...before, identity: settleKeys(before.identity, request.keys) } : before;
  if (verdict.kind === "stored" || verdict.kind === "refuse") {
    // Any authentic message under the new keys ends the old ones, also one that changes nothing else.
    const settles = request.endsRenewal && before.stored.window !== undefined;
    const puts = settles
      ? [...devicePuts(before, device, ports.generation), ...journalPuts(request, turns(request, before), now)]
      : [];
    return { puts, device, ...(verdict.kind === "stored" ? { outcome: verdict.outcome } : refused(verdict.refusal)) };
  }
  const { seq } = verdict.at;
  const decision: Decision =
    verdict.kind === "settle"
      ? verdict
      : await verdict.exchange.decide(verdict.claims.body, { device, keys: request.keys, seq, now });
  return commit(ports, before, device, request, verdict.at, decision, now);
}

function commit(
  { generation }: MessagePorts,
  before: Device,
  device: Device,
  request: VerifiedRequest,
  { seq, ack, digest }: Place,
  decision: Decision,
  now: number,
): Step {
  const effect = "effect" in decision ? decision.effect : undefined;
  const said =
    "refusal" in decision
      ? refused(decision.refusal)
      : { outcome: { status: "ok", result: decision.effect.result } as const };
  const window = accept(device.window, seq, ack, { ...said.outcome, digest });
  const after: Device = { ...device, ...effect?.device, window, lastSeen: now };
  const puts = devicePuts(before, after, generation);
  const entries = [...turns(request, before), ...(effect?.journal ? [effect.journal] : [])];
  return { puts: [...puts, ...journalPuts(request, entries, now)], device: after, ...said };
}

type Entry = Pick<JournalRecord, "action" | "detail">;

/** Turns in a device's life that a message brings about whatever it says: its re-adoption, the end of the keys before a renewal. */
function turns({ endsRenewal }: VerifiedRequest, { stored, identity }: Device): Entry[] {
  const readopted: Entry[] = stored.window === undefined ? [{ action: "device.readopted", detail: {} }] : [];
  const ended: Entry[] = endsRenewal ? [{ action: "device.renewal-ended", detail: { seq: identity.renewalSeq } }] : [];
  return [...readopted, ...ended];
}

function journalPuts({ replyTo: { deviceId, jti } }: VerifiedRequest, entries: readonly Entry[], now: number): Put[] {
  const target = deviceTarget(deviceId);
  return entries.map(({ action, detail }) =>
    journalPut({ target, action, actor: target, time: now, detail }, `${jti}-${action}`),
  );
}

/** A refusal as it is stored: the code, and the field if there is one. */
function refused(refusal: Refusal) {
  const { code: status, field } = refusal;
  return { outcome: { status, result: field === undefined ? {} : { field } }, refusal };
}

async function render(
  ports: MessagePorts,
  { message }: VerifiedRequest,
  { outcome, device, refusal }: Step,
): Promise<Answer> {
  if (refusal) return refuse(refusal);
  const { status, result } = outcome;
  if (status !== "ok") {
    const field = result?.["field"];
    return refuse({ code: status, ...(typeof field === "string" ? { field } : {}) });
  }
  // Freed once the device acknowledged it: a repeat that the relay kept back gets the status and no content.
  const operation = message.kind === "claims" ? message.claims.operation : "";
  const body = result && isOperation(operation) ? await ports.exchanges[operation].reply(result, device) : {};
  return { status: "ok", body: { ...body } };
}

export function refuse(refusal: Refusal): Answer {
  return { status: refusal.code, body: refusalBody(refusal) };
}
