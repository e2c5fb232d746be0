import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { sealRequest } from "@sealpost/protocol/messages/request.ts";

import { makeHandler } from "../../functions/carriers/http.ts";
import type { ContentKeyOpener, PresentKeys } from "../../functions/custody/port.ts";
import type { HttpEvent } from "../../functions/lambda/http.ts";
import { rawDevice, registration } from "../../test/support/raw-device.ts";
import { present, startService } from "../../test/support/service.ts";
import { keysInMemory } from "../custody.ts";
import { freshStore } from "../fresh-store.ts";
import { type Subject, leastMicroseconds } from "../measure.ts";
import { startMutualTls } from "../peers/mutual-tls.ts";
import { type Row, toRow } from "../row.ts";

const group = "handler";

/** A whole message in the service, against what the server does for a TLS handshake; neither counts what a database takes. */
export async function handler(): Promise<Row[]> {
  const tls = await startMutualTls();
  const least = await leastMicroseconds(
    {
      software: await messages("software"),
      outside: await messages("outside"),
      full: { run: (times) => tls.connect({ kind: "full", times }) },
      resumed: { run: (times) => tls.connect({ kind: "resumed", times }) },
    },
    { passes: 25, sliceMilliseconds: 30 },
  );
  await tls.close();
  const full = ["mutual TLS 1.3 handshake, full", least.full] as const;
  const resumed = ["mutual TLS 1.3 handshake, resumed", least.resumed] as const;
  const figure = { group, unit: "µs" };
  const aim = { of: "ratio", most: 0.75 } as const;
  return [
    toRow({ ...figure, name: "whole handler, keys in memory", ours: least.software, peer: full, aim }),
    toRow({ ...figure, name: "whole handler, keys in memory", ours: least.software, peer: resumed }),
    toRow({ ...figure, name: "whole handler, decrypt and sign outside", ours: least.outside, peer: full }),
    toRow({ ...figure, name: "whole handler, decrypt and sign outside", ours: least.outside, peer: resumed }),
  ];
}

/** Checks of one registered device, each sealed beforehand; `outside`: somebody else decrypts content keys and signs, and only the call is ours. */
async function messages(keys: "software" | "outside"): Promise<Omit<Subject, "name">> {
  const service = await startService(freshStore());
  const held = await keysInMemory();
  const [opener] = held.openers;
  if (!opener) throw new Error("no opener");
  const outside = elsewhere(held, opener);
  const used: PresentKeys = keys === "software" ? held : outside.keys;
  const handle = makeHandler({ ...service.messages, serverKeys: { at: async () => used } }, () => present * 1000);
  const device = await rawDevice(service);
  let seq = 0;

  const seal = async (operation: string, body: Record<string, unknown>): Promise<HttpEvent> => {
    seq += 1;
    const key = { serverKey: opener.kid, replyKey: await thumbprint(device.encryption.jwk) };
    const claims = await device.claimsOf(operation, body, { seq, ack: seq - 1 }, { claims: key });
    const { token } = await sealRequest(claims, device.signer, opener);
    await outside.learn(token);
    const headers = { "content-type": "application/jose" };
    return { routeKey: "POST /messages", headers, isBase64Encoded: true, body: Buffer.from(token).toString("base64") };
  };
  const answered = async (event: HttpEvent) => {
    const { statusCode, body } = await handle(event);
    if (statusCode !== 200) throw new Error(`answered ${statusCode}: ${body}`);
  };

  await answered(await seal("register", registration));
  let sealed: HttpEvent[] = [];
  return {
    async prepare(times) {
      sealed = [];
      for (let n = 0; n < times; n += 1) sealed.push(await seal("firmware.check", { firmware: registration.firmware }));
    },
    async run() {
      for (const event of sealed) await answered(event);
    },
  };
}

function elsewhere({ replySigner }: PresentKeys, opener: ContentKeyOpener) {
  const known = new Map<string, Uint8Array<ArrayBuffer>>();
  const signature = new Uint8Array(64).fill(1);
  const nameOf = (encryptedKey: Uint8Array) => Buffer.from(encryptedKey).toString("base64url");
  const keys: PresentKeys = {
    replySigner: { ...replySigner, sign: async () => signature },
    openers: [{ ...opener, open: async (encryptedKey) => known.get(nameOf(encryptedKey)) ?? new Uint8Array() }],
  };
  return {
    keys,
    async learn(token: string) {
      const [header = "", encryptedKey = ""] = token.split(".");
      const { epk } = JSON.parse(Buffer.from(header, "base64url").toString());
      known.set(encryptedKey, await opener.open(new Uint8Array(Buffer.from(encryptedKey, "base64url")), epk));
    },
  };
}
