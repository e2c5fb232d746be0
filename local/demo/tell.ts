import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { styleText } from "node:util";

import { repository } from "../repository.ts";
import { type Evidence, expectations } from "./evidence.ts";

/** Names of the figures that do not hold. */
export function failures(evidence: Omit<Evidence, "ok">): string[] {
  return Object.entries(expectations).flatMap(([figure, holds]) => (holds(evidence) ? [] : [figure]));
}

/** A line for each figure, and whether it holds. */
export function tell(evidence: Evidence, log: (line: string) => void): void {
  const { callsOfRun } = evidence;
  const wrong: ReadonlySet<string> = new Set(failures(evidence));
  const row = (figure: keyof Evidence, label: string, value: string) => {
    const mark = figure in expectations ? (wrong.has(figure) ? styleText("red", "✗") : styleText("green", "✓")) : " ";
    log(`  ${mark} ${label.padEnd(66)} ${value}`);
  };
  row("tlsClientHellos", "TLS handshakes in the device's whole life", String(evidence.tlsClientHellos));
  row(
    "tlsOpenAtFirstMessage",
    "TLS connections open when the first message left",
    String(evidence.tlsOpenAtFirstMessage),
  );
  row("canariesFound", "planted canaries that the search found first, each encoding", String(evidence.canariesFound));
  row("leaks", `of ${evidence.secretsSearched} secrets and claim values, seen by the relay`, String(evidence.leaks));
  row(
    "bytesSearched",
    "bytes searched, raw, hex and base64 at every offset",
    evidence.bytesSearched.toLocaleString("en"),
  );
  row("messagesSent", "messages that the device sent, retries included", String(evidence.messagesSent));
  row("relayRepeated", "… that the relay repeated", String(evidence.relayRepeated));
  row("relayTampered", "… in which it flipped a bit", String(evidence.relayTampered));
  row(
    "refusedByService",
    `… damaged requests (${evidence.damagedRequests}) that the service refused`,
    String(evidence.refusedByService),
  );
  row("effects", "messages that took effect", String(evidence.effects));
  row("effectsTwice", "effects applied twice", String(evidence.effectsTwice));
  row("readingFound", "the reading, in full, at the operator's subscriber", String(evidence.readingFound));
  row("commandDone", "the command's result, at the operator's subscriber", String(evidence.commandDone));
  if (evidence.fleet) {
    const { devices, readings, readingsFound } = evidence.fleet;
    row("fleet", `of ${readings} readings of a fleet of ${devices}, at the subscriber`, String(readingsFound));
  }
  row("calls", "messages whose calls are counted", String(evidence.calls.messages));
  row(
    "callsOfRun",
    "… and in the whole run, with calls",
    `${callsOfRun.messages}, ${callsOfRun.kmsCalls} of KMS, ${callsOfRun.functionCalls} of the function`,
  );
  row("kmsCallsPerMessage", "calls of KMS for message keys, a message", String(evidence.kmsCallsPerMessage));
  row("functionCallsPerMessage", "calls of the message function, a message", String(evidence.functionCallsPerMessage));
  row(
    "firmwareSha256Matches",
    "firmware in the slot is the published file (SHA-256)",
    String(evidence.firmwareSha256Matches),
  );
  row("deviceStatus", "the device in the registry", evidence.deviceStatus);
  for (const [index, { requestBytes, replyBytes, milliseconds }] of evidence.messages.entries()) {
    row(
      "messages",
      `message ${index + 1}: bytes of request and reply, time`,
      `${requestBytes} + ${replyBytes}, ${milliseconds} ms`,
    );
  }
  row("seconds", "seconds", String(evidence.seconds));
}

/** Where the figures go. */
export async function writeEvidence(evidence: Evidence): Promise<string> {
  const path = join(repository, ".local", "demo.json");
  await mkdir(join(repository, ".local"), { recursive: true });
  await writeFile(path, `${JSON.stringify(evidence, null, 2)}\n`);
  return relative(process.cwd(), path);
}
