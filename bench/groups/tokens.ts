import { type KeyObject, createSecretKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";

import { type RequestClaims, sealRequest } from "@sealpost/protocol/messages/request.ts";
import { openReply, sealReply } from "@sealpost/protocol/messages/reply.ts";
import { tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { CompactEncrypt, CompactSign, compactDecrypt, compactVerify, importJWK } from "jose";

import type { ContentKeyOpener } from "../../functions/custody/port.ts";
import { nodeEngine } from "../../functions/engine/node-engine.ts";
import { openRequest } from "../../test/support/open.ts";
import { rawDevice } from "../../test/support/raw-device.ts";
import { present, startService } from "../../test/support/service.ts";
import { keysInMemory } from "../custody.ts";
import { freshStore } from "../fresh-store.ts";
import { leastMicroseconds } from "../measure.ts";
import * as bare from "../peers/node-crypto.ts";
import { type Aim, type Row, toRow } from "../row.ts";

const group = "tokens";
const kibi = 1024;
const sizes = [100, kibi, 32 * kibi, 160 * kibi] as const;
type Size = (typeof sizes)[number];

const most = (ratio: number): Aim => ({ of: "ratio", most: ratio });
const aims: Record<"open" | "sealReply", Partial<Record<Size, Aim>>> = {
  open: { 100: most(2), [160 * kibi]: most(3) },
  sealReply: { 100: most(1.8), [160 * kibi]: most(3) },
};

/** Sealing and opening of single messages at both ends. */
export async function tokens(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of sizes) rows.push(...(await ofSize(size)));
  return rows;
}

async function ofSize(size: Size): Promise<Row[]> {
  const service = await startService(freshStore());
  const device = await rawDevice(service);
  const { rsa } = service.serverKeys;
  const { replySigner } = await keysInMemory();
  const body = { data: "m".repeat(size - '{"data":""}'.length) };
  const claims: RequestClaims = { ...(await device.claimsOf("firmware.check", body, { seq: 1 })) };
  const { token, jws } = await sealRequest(claims, device.signer, rsa);
  const opener = await atHand(
    service.messageKeys.openers.find(({ kid }) => kid === rsa.kid),
    token,
  );

  const replyClaims = {
    iat: present,
    request: await tokenDigest(jws),
    replyKey: await thumbprint(device.encryption.jwk),
    status: "ok",
    body,
    trustVersion: 1,
    keySetVersion: present,
  };
  const reply = await sealReply(replyClaims, replySigner, device.encryption.jwk);
  const awaited = { request: replyClaims.request };

  const peer = await peers(Buffer.from(JSON.stringify({ ...claims, body })));
  const least = await leastMicroseconds({
    sealRequest: { run: repeat(() => sealRequest(claims, device.signer, rsa)) },
    sealRequestBare: { run: repeat(peer.bare.sealRequest) },
    sealRequestJose: { run: repeat(peer.jose.sealRequest) },
    open: { run: repeat(() => openRequest(service.messages, { openers: [opener] }, token)) },
    openBare: { run: repeat(peer.bare.open) },
    sealReply: { run: repeat(() => sealReply(replyClaims, replySigner, { ...device.encryption.jwk }, nodeEngine)) },
    sealReplyBare: { run: repeat(peer.bare.sealReply) },
    sealReplyJose: { run: repeat(peer.jose.sealReply) },
    openReply: {
      run: repeat(() => openReply(reply, device.encryption.pair.privateKey, [replySigner.jwk], awaited)),
    },
    openReplyBare: { run: repeat(peer.bare.openReply) },
    openReplyJose: { run: repeat(peer.jose.openReply) },
  });

  const bytes = size < kibi ? `${size} B` : `${size / kibi} KiB`;
  const figure = (name: string, ours: number, peerName: string, value: number, aim?: Aim) =>
    toRow({ group, name: `${name}, ${bytes}`, unit: "µs", ours, peer: [peerName, value], aim });
  const calls = "node:crypto calls";
  return [
    figure("device: seal a request", least.sealRequest, calls, least.sealRequestBare),
    figure("device: seal a request", least.sealRequest, "jose", least.sealRequestJose),
    figure("server: open, content key at hand", least.open, calls, least.openBare, aims.open[size]),
    figure("server: seal a reply", least.sealReply, calls, least.sealReplyBare, aims.sealReply[size]),
    figure("server: seal a reply", least.sealReply, "jose", least.sealReplyJose),
    figure("device: open a reply", least.openReply, calls, least.openReplyBare),
    figure("device: open a reply", least.openReply, "jose", least.openReplyJose),
  ];
}

function repeat(once: () => unknown) {
  return async (times: number) => {
    for (let n = 0; n < times; n += 1) await once();
  };
}

/** As if KMS had answered: the content key of this one token. */
async function atHand(opener: ContentKeyOpener | undefined, token: string): Promise<ContentKeyOpener> {
  if (!opener) throw new Error("no opener");
  const contentKey = await opener.open(new Uint8Array(Buffer.from(token.split(".")[1] ?? "", "base64url")));
  return { ...opener, open: async () => contentKey };
}

/** The same work by node:crypto on ready bytes, and by jose as its manual says, each key imported once unless it comes with the message. */
async function peers(content: Buffer) {
  const signing = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const receiving = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const contentKey = randomBytes(32);
  const signature = sign("sha256", content, signing.privateKey);
  const sealed = bare.encrypt(createSecretKey(contentKey), content);
  const { key, ephemeral } = bare.agree(receiving.publicKey);
  const sealedToP256 = bare.encrypt(key, content);

  const importKey = (object: KeyObject, alg: string) => importJWK({ ...object.export({ format: "jwk" }) }, alg);
  const joseKeys = {
    sign: await importKey(signing.privateKey, "ES256"),
    verify: await importKey(signing.publicKey, "ES256"),
    open: await importKey(receiving.privateKey, "ECDH-ES"),
    rsa: await importKey(rsa.publicKey, "RSA-OAEP-256"),
  };
  const receivingJwk = receiving.publicKey.export({ format: "jwk" });
  const text = new TextEncoder();
  const encrypted = async (alg: string, to: Awaited<ReturnType<typeof importJWK>>) => {
    const jws = await new CompactSign(content).setProtectedHeader({ alg: "ES256" }).sign(joseKeys.sign);
    return new CompactEncrypt(text.encode(jws)).setProtectedHeader({ alg, enc: "A256GCM" }).encrypt(to);
  };
  const joseReply = await encrypted("ECDH-ES", await importKey(receiving.publicKey, "ECDH-ES"));
  return {
    bare: {
      sealRequest: () => bare.sealToRsa(signing.privateKey, rsa.publicKey, content),
      open: () => bare.openWithContentKey(contentKey, sealed, signing.publicKey, signature),
      sealReply: () => bare.sealToP256(signing.privateKey, receiving.publicKey, content),
      openReply: () => bare.openFromP256(receiving.privateKey, ephemeral, sealedToP256, signing.publicKey, signature),
    },
    jose: {
      sealRequest: () => encrypted("RSA-OAEP-256", joseKeys.rsa),
      sealReply: async () => encrypted("ECDH-ES", await importJWK({ ...receivingJwk }, "ECDH-ES")),
      openReply: async () => {
        const { plaintext } = await compactDecrypt(joseReply, joseKeys.open);
        await compactVerify(plaintext, joseKeys.verify);
      },
    },
  };
}
