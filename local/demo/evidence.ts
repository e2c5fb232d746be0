import type { Item } from "../../functions/store/port.ts";
import { findLeaks } from "./leaks.ts";
import type { Recorder } from "../network/recorder.ts";
import type { Relay } from "../network/relay.ts";
import { relayRecordings } from "../network/relay-recordings.ts";

export type Calls = {
  readonly messages: number;
  /** Of the message function. */
  readonly functionCalls: number;
  /** With the keys that open requests and sign replies, or that wrap those. */
  readonly kmsCalls: number;
};

/** What `.local/demo.json` holds: figures measured from the recorded bytes and the tables. */
export type Evidence = {
  readonly tlsClientHellos: number;
  readonly tlsOpenAtFirstMessage: number;
  readonly tlsBytes: number;
  readonly leaks: number;
  readonly canariesFound: number;
  readonly secretsSearched: number;
  readonly bytesSearched: number;
  readonly messagesSent: number;
  readonly relayRepeated: number;
  readonly relayTampered: number;
  readonly damagedRequests: number;
  /** Problems instead of sealed replies: as many as requests were damaged, since nothing else gives cause for one. */
  readonly refusedByService: number;
  readonly effects: number;
  readonly effectsTwice: number;
  /**
   * What the service was called for. Through batches, of the fleet's readings, and a message is one whose reply its device accepted; otherwise of the
   * whole story, and a message is whatever reached the service, repeats included.
   */
  readonly calls: Calls;
  /** From the first message on, what is fetched once for all messages included. */
  readonly callsOfRun: Calls;
  readonly kmsCallsPerMessage: number;
  readonly functionCallsPerMessage: number;
  readonly custody: "kms" | "epoch";
  /** Through batches alone. */
  readonly fleet?: { readonly devices: number; readonly readings: number; readonly readingsFound: number };
  readonly readingFound: boolean;
  readonly commandDone: boolean;
  readonly firmwareSha256Matches: boolean;
  readonly deviceStatus: string;
  readonly messages: readonly {
    readonly requestBytes: number;
    readonly replyBytes: number;
    readonly milliseconds: number;
  }[];
  readonly seconds: number;
  readonly ok: boolean;
};

/** Every figure that must hold, and what it must be. */
export const expectations: { readonly [Figure in keyof Evidence]?: (evidence: Omit<Evidence, "ok">) => boolean } = {
  tlsClientHellos: ({ tlsClientHellos }) => tlsClientHellos === 1,
  tlsOpenAtFirstMessage: ({ tlsOpenAtFirstMessage }) => tlsOpenAtFirstMessage === 0,
  leaks: ({ leaks }) => leaks === 0,
  canariesFound: ({ canariesFound }) => canariesFound > 0,
  messagesSent: ({ messagesSent, effects }) => messagesSent >= effects,
  relayRepeated: ({ relayRepeated }) => relayRepeated > 0,
  relayTampered: ({ relayTampered }) => relayTampered > 0,
  refusedByService: ({ refusedByService, damagedRequests }) => refusedByService === damagedRequests,
  effects: ({ effects }) => effects > 0,
  effectsTwice: ({ effectsTwice }) => effectsTwice === 0,
  functionCallsPerMessage: ({ fleet, functionCallsPerMessage }) => !fleet || functionCallsPerMessage <= 0.03,
  kmsCallsPerMessage: ({ fleet, custody, kmsCallsPerMessage }) =>
    !fleet || custody === "kms" || kmsCallsPerMessage <= 0.01,
  fleet: ({ fleet, calls }) => !fleet || (fleet.readings === calls.messages && fleet.readingsFound === fleet.readings),
  readingFound: ({ readingFound }) => readingFound,
  commandDone: ({ commandDone }) => commandDone,
  firmwareSha256Matches: ({ firmwareSha256Matches }) => firmwareSha256Matches,
  deviceStatus: ({ deviceStatus }) => deviceStatus === "deregistered",
};

export function countTls(recorder: Recorder): Pick<Evidence, "tlsClientHellos" | "tlsBytes"> {
  const bytes = recorder.connections.flatMap(({ chunks }) => chunks.map((chunk) => chunk.bytes.length));
  return {
    tlsClientHellos: recorder.clientHellos().clientHellos,
    tlsBytes: bytes.reduce((sum, length) => sum + length, 0),
  };
}

/** Searches everything that passed the relay for secrets, after it has found planted canaries in every encoding. */
export function searchRelay(relay: Relay, secrets: ReadonlyMap<string, Uint8Array>) {
  const recordings = relayRecordings(relay.exchanges);
  const { leaks, canariesFound } = findLeaks(recordings, secrets);
  return {
    leaks: leaks.length,
    canariesFound,
    secretsSearched: secrets.size,
    bytesSearched: recordings.reduce((sum, { bytes }) => sum + bytes.length, 0),
    leaked: leaks.map(({ secret, encoding, recording }) => `${secret} (${encoding}) in ${recording}`),
  };
}

export function countMessages(
  relay: Relay,
): Pick<
  Evidence,
  "messagesSent" | "relayRepeated" | "relayTampered" | "damagedRequests" | "refusedByService" | "messages"
> {
  const { messages, repeated, tampered, refused } = relay.counts();
  const passages = relay.exchanges.filter(({ request }) => request.method === "POST");
  return {
    messagesSent: messages,
    relayRepeated: repeated,
    relayTampered: tampered,
    damagedRequests: relay.exchanges.filter(({ act }) => act === "damageRequest").length,
    refusedByService: refused,
    messages: passages.map(({ request, reply, at, until }) => ({
      requestBytes: request.body.length,
      replyBytes: reply.body.length,
      milliseconds: until - at,
    })),
  };
}

/** What the service was called for each message. */
export function perMessage(calls: Calls): Pick<Evidence, "calls" | "kmsCallsPerMessage" | "functionCallsPerMessage"> {
  const each = (count: number) => Math.round((1_000 * count) / calls.messages) / 1_000;
  return { calls, kmsCallsPerMessage: each(calls.kmsCalls), functionCallsPerMessage: each(calls.functionCalls) };
}

/**
 * Effects, from the tables. Each accepted message raised the revision of the device's window item by one and took one seq; so did each act of an operator, which took none. The relay sends its
 * repeat after the first copy was answered, so a service that forgot would execute it anew, and that shows as a revision above the number of
 * seqs, or as a second journal entry of the same act.
 */
export function countEffects(window: Item, journal: readonly Item[]): Pick<Evidence, "effects" | "effectsTwice"> {
  const byOperators = journal.filter(({ actor }) => String(actor).startsWith("arn:")).length;
  const revision = Number(window["revision"]) - byOperators;
  const accepted = Number(window["high"]);
  const actions = journal.map(({ action, detail }) => JSON.stringify([action, detail]));
  return { effects: revision, effectsTwice: revision - accepted + (actions.length - new Set(actions).size) };
}
