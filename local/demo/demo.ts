import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { styleText } from "node:util";

import { z } from "zod/mini";

import { exchanges } from "@sealpost/protocol/exchanges/exchanges.ts";
import { dynamodb } from "../../functions/aws/client.ts";
import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import type { Item } from "../../functions/store/port.ts";
import { emulatorService } from "../emulator/aws-environment.ts";
import { LocalFault } from "../fault.ts";
import { startRecorder } from "../network/recorder.ts";
import { startRelay } from "../network/relay.ts";
import type { LocalCustody } from "../emulator/synthesis.ts";
import { startStack } from "../stack.ts";
import { startCollector } from "./collector.ts";
import { countMessageKeyCalls } from "./message-key-calls.ts";
import { type Fleet, countFound, gatherFleet, registerFleet, sendReadings, sentBy } from "./fleet.ts";
import { readEvents } from "./published.ts";
import { failures, tell } from "./tell.ts";
import { commandLine } from "./command-line.ts";
import { buildPrograms } from "./programs.ts";
import {
  type Calls,
  type Evidence,
  countEffects,
  countMessages,
  countTls,
  perMessage,
  searchRelay,
} from "./evidence.ts";

/** Long enough to be told from chance in the recorded bytes. */
const model = "demo-water-meter-nb2";
const hardware = "board-rev-c-2026";
const serialNumber = "SN-7G42-00018734-DEMO";
const imageBytes = 10 * 1024 * 1024;
const stream = "water-supply-demo";
const reading = { name: "volume-of-cellar-7", unit: "m3", value: 4_711.081536475 };
const command = {
  name: "valve.close-demo",
  arguments: '{"reason":"burst-pipe-in-lane-12"}',
  output: '{"position":"closed-at-0-percent"}',
};

/**
 * The main job on real components: an operator enrols a device and publishes firmware; the device bootstraps over one TLS connection and lives
 * by sealed messages through a relay that records everything, repeats some messages and damages others.
 */
export async function demo(options: {
  readonly directory: string;
  /** Decides which messages the relay repeats and damages. */
  readonly seed: string;
  /** Where the message keys live. */
  readonly custody: LocalCustody;
  /** Whether a relay stores messages and sends them on in batches. */
  readonly batch: boolean;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<Evidence> {
  const { directory, seed, custody, batch, log, signal } = options;
  const start = performance.now();
  const ends: (() => Promise<void>)[] = [];
  const step = (text: string) => log(`\n${bold(text)}`);
  try {
    step("1. The service: a real `cdk deploy` into an AWS emulator on this machine");
    const bootstrapAnswers = new Map<string, Buffer>();
    let functionCalls = 0;
    let served = 0;
    const running = await startStack({
      directory,
      custody,
      log: (line) => log(`  ${line}`),
      signal,
      onBootstrapAnswer: (path, body) => bootstrapAnswers.set(path, body),
      onFunctionLine: (line) => (served += line.includes('"function":"messages"') ? 1 : 0),
      onMessagePlane: (path) => (functionCalls += path === "/keys" ? 0 : 1),
    });
    ends.push(() => running.stop());
    const { stack, stackFile } = running;
    const kmsCalls = await countMessageKeyCalls(stack);
    ends.push(() => kmsCalls.close());

    step("2. Between device and service: a recorder on the way to TLS, a hostile relay on the way of messages");
    const recorder = await startRecorder({ targetPort: Number(new URL(stack.bootstrapUrl).port) });
    ends.push(() => recorder.close());
    let tlsOpenAtFirstMessage = -1;
    const collector = batch ? await startCollector(stack.messageUrl, join(directory, "collector"), 0.1) : undefined;
    if (collector) ends.push(() => collector.close());
    const relay = await startRelay({
      upstream: collector?.url ?? stack.messageUrl,
      seed,
      repeatShare: 0.3,
      tamperShare: 0.3,
      onFirstMessage: () => {
        tlsOpenAtFirstMessage = recorder.openConnections();
      },
    });
    ends.push(() => relay.close());
    if (collector) log("  behind it a relay of the reference kind, which stores messages and sends them on in batches");
    log(`  the relay repeats 30 % of the messages and flips a bit in 30 % (seed ${seed})`);

    const work = join(directory, "work");
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const home = join(work, "device");
    const packageFile = join(work, "credential.json");
    const imageFile = join(work, "firmware-2.0.0.bin");
    await writeFile(imageFile, randomBytes(imageBytes));
    const cli = commandLine(
      await buildPrograms(join(work, "programs")),
      { sealpost: ["--stack", stackFile], "sealpost-device": ["--home", home, "--via", relay.url] },
      work,
      log,
    );

    step("3. The operator enrols a device and publishes 10 MiB of firmware");
    const subscriber = cli.start("sealpost", "events", "tail", "--json");
    ends.push(async () => subscriber.kill());
    const bootstrapUrl = `https://localhost:${recorder.port}/bootstrap`;
    await cli.run(
      "sealpost",
      ...["credential", "create", "--serial-number", serialNumber],
      ...["--bootstrap-url", bootstrapUrl, "--out", "credential.json"],
    );
    await cli.run(
      "sealpost",
      ...["release", "publish", "firmware-2.0.0.bin", "--model", model],
      ...["--hardware", hardware, "--version", "2.0.0"],
    );

    step(
      "4. The device: one TLS connection, on which credential, first token and certificates pass; then it is closed",
    );
    await cli.run("sealpost-device", "bootstrap", "--package", "credential.json");
    const tokenAnswer = bootstrapAnswers.get("/bootstrap/token");
    // Beside the story, which goes on.
    const gathering = batch ? gatherFleet(running, join(directory, "mailboxes")) : undefined;
    gathering?.catch(() => undefined);
    ends.push(async () => (await gathering?.catch(() => undefined))?.close());

    step("5. From now on sealed messages alone, over plain HTTP, through the relay");
    await cli.run(
      "sealpost-device",
      ...["register", "--model", model, "--hardware", hardware],
      ...["--firmware-version", "1.0.0", "--firmware-counter", "0"],
    );
    await cli.run(
      "sealpost-device",
      ...["send", stream, "--name", reading.name, "--unit", reading.unit, "--value", String(reading.value)],
    );
    const { deviceId: commanded } = deviceSchema.parse(JSON.parse(await readFile(join(home, "state.json"), "utf8")));
    await cli.run("sealpost", "command", "send", commanded, command.name, "--arguments", command.arguments);
    await writeExecutable(join(work, "commands"), command.name, command.output);
    await cli.run("sealpost-device", "commands", "--run-in", "commands");
    await cli.run("sealpost", "command", "list", commanded);
    await cli.run("sealpost-device", "check");
    await cli.run("sealpost-device", "update");
    await cli.run("sealpost-device", "boot");
    await cli.run("sealpost-device", "renew");
    await cli.run("sealpost", "device", "list");
    const written = await installedImage(home);
    const secrets = await readSecrets(packageFile, home, tokenAnswer);
    await cli.run("sealpost-device", "deregister");
    await cli.run("sealpost", "audit", "list");

    const callsUntilNow = (): Calls => ({ messages: served, functionCalls, kmsCalls: kmsCalls.count() });
    let calls: Calls | undefined;
    let fleet: Fleet = [];
    if (gathering) {
      step("   Beside it a fleet, which puts its readings into mailboxes of a relay that collects them");
      ({ fleet } = await gathering);
      await registerFleet(fleet);
      log(`  ${fleet.length} devices are enrolled and registered`);
      const before = callsUntilNow();
      const messages = await sendReadings(fleet);
      const after = callsUntilNow();
      calls = {
        messages,
        functionCalls: after.functionCalls - before.functionCalls,
        kmsCalls: after.kmsCalls - before.kmsCalls,
      };
      log(`  ${messages} messages with readings were answered, and each device accepted its own replies`);
    }
    const events = await subscriber.endWhen((printed) => {
      const { types, readings } = readEvents(printed);
      return types(secrets.deviceId).includes("device.deregistered") && countFound(fleet, readings) === sentBy(fleet);
    }, secrets.deviceId);

    step("6. The evidence, measured from the recorded bytes and the tables");
    const image = await readFile(imageFile);
    const tables = await readTables(stack.endpoint, stack.outputs, secrets.deviceId);
    const published = readEvents(events);
    const { leaked, ...searched } = searchRelay(relay, new Map([...secrets.map, ...messageIds(tables.journal)]));
    for (const leak of leaked) log(`  LEAK ${leak}`);
    const measured = {
      ...countTls(recorder),
      tlsOpenAtFirstMessage,
      ...searched,
      ...countMessages(relay),
      ...perMessage(calls ?? callsUntilNow()),
      callsOfRun: callsUntilNow(),
      custody: custody.signing,
      ...(batch
        ? {
            fleet: {
              devices: fleet.length,
              readings: sentBy(fleet),
              readingsFound: countFound(fleet, published.readings),
            },
          }
        : {}),
      ...countEffects(tables.window, tables.journal),
      readingFound: published.readings(secrets.deviceId).some((text) => text.includes(JSON.stringify(reading.value))),
      commandDone: published.types(secrets.deviceId).includes("command.result"),
      firmwareSha256Matches: sha256(written.subarray(0, image.length)) === sha256(image),
      deviceStatus: String(tables.window["status"]),
      seconds: Math.round((performance.now() - start) / 100) / 10,
    };
    const evidence: Evidence = { ...measured, ok: failures(measured).length === 0 };
    tell(evidence, log);
    return evidence;
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

function bold(text: string): string {
  return styleText("bold", text);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const credentialSchema = z.object({ credentialId: z.string(), secret: z.string() });
const tokenSchema = z.object({ access_token: z.string() });
const deviceSchema = z.object({ deviceId: z.string(), signingKey: z.string(), encryptionKey: z.string() });

/**
 * What no one between the ends may see, as text and as the bytes that it stands for: what the device proved itself with, who it is, its keys,
 * what it said of itself, and the names of claims, since no message with a claim in the clear lacks them.
 */
async function readSecrets(packageFile: string, home: string, tokenAnswer: Buffer | undefined) {
  const { credentialId, secret } = credentialSchema.parse(JSON.parse(await readFile(packageFile, "utf8")));
  const state = deviceSchema.parse(JSON.parse(await readFile(join(home, "state.json"), "utf8")));
  const { access_token: firstToken } = tokenSchema.parse(JSON.parse(tokenAnswer?.toString() ?? "null"));
  const [tokenHeader = "", tokenClaims = "", tokenSignature = ""] = firstToken.split(".");
  const { deviceId } = state;
  const texts: Record<string, string> = {
    "credential secret": secret,
    "credential id": credentialId,
    "first token": firstToken,
    "first token's header": tokenHeader,
    "first token's claims": tokenClaims,
    "first token's signature": tokenSignature,
    "device id": deviceId,
    "signing key": state.signingKey,
    "encryption key": state.encryptionKey,
    "serial number": serialNumber,
    model,
    hardware,
    stream,
    "name of a reading": reading.name,
    "value of a reading": String(reading.value),
    "command's name": command.name,
    "command's arguments": command.arguments,
    "command's output": command.output,
    ...Object.fromEntries(claimNames.map((name) => [`claim ${name}`, `"${name}":`])),
    ...Object.fromEntries(operations.map((name) => [`operation ${name}`, `"operation":"${name}"`])),
  };
  const uuid = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex");
  const map = new Map<string, Uint8Array>([
    ...Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)] as const),
    ["credential secret, decoded", Buffer.from(secret, "base64url")],
    ["credential id, decoded", uuid(credentialId)],
    ["device id, decoded", uuid(deviceId)],
    ["signing key, decoded", Buffer.from(state.signingKey, "base64url")],
    ["encryption key, decoded", Buffer.from(state.encryptionKey, "base64url")],
  ]);
  return { deviceId, map };
}

/** Of claims and bodies; shorter names turn up by chance. */
const claimNames = ["serverKey", "operation", "capabilities", "encryptionKey", "configuration", "contentKey"];
const operations = exchanges.map(({ operation }) => operation);

/** The `jti` of each message that changed the device's life, which its journal entry is named by. */
function messageIds(journal: readonly Item[]): [string, Uint8Array][] {
  return journal.flatMap(({ at, action }) => {
    const [, unique = ""] = String(at).split("#");
    const jti = unique.endsWith(`-${action}`) ? unique.slice(0, -`-${action}`.length) : "";
    return jti === "" ? [] : [[`jti of ${action}`, Buffer.from(jti)] as [string, Uint8Array]];
  });
}

/** An executable that a device runs for a command of its name. */
async function writeExecutable(folder: string, name: string, output: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\ncat > /dev/null\nprintf '%s' '${output}'\n`);
  await chmod(path, 0o755);
}

async function installedImage(home: string): Promise<Buffer> {
  const slots = JSON.parse(await readFile(join(home, "slots", "slots.json"), "utf8")) as { active: "a" | "b" };
  return readFile(join(home, "slots", `${slots.active}.bin`));
}

async function readTables(endpoint: string, outputs: Readonly<Record<string, string>>, deviceId: string) {
  const store = dynamodbStore(emulatorService(dynamodb, endpoint), {
    devices: outputs["DevicesTable"] ?? "",
    journal: outputs["JournalTable"] ?? "",
  });
  const [window] = await store.read([{ table: "devices", key: { deviceId, item: "window" } }]);
  const target = `device#${deviceId}`;
  const { items } = await store.list({ table: "journal", partition: ["target", target], limit: 1_000 });
  if (!window) throw new LocalFault("state-unreadable", "The device is not in the registry.");
  return { window, journal: items };
}
