import { tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { type KeySet, type ServerKey } from "@sealpost/protocol/documents/key-set.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type Reply, openReply } from "@sealpost/protocol/messages/reply.ts";
import { sealRequest } from "@sealpost/protocol/messages/request.ts";
import { ecdhEs } from "@sealpost/protocol/suites/ecdh-es.ts";
import type { ReplyAlgorithm } from "@sealpost/protocol/suites/suites.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import { webCryptoSigner } from "@sealpost/protocol/token/web-crypto-signer.ts";

import { generateReplyKey, encryptionJwk } from "../keys/device-keys.ts";
import type { DeviceKeys } from "../ports.ts";
import { acknowledged } from "./queue.ts";
import type { Enrolled, Pending } from "../state/state.ts";

/** What one sealed copy of a message may be answered with. Lives in memory only: after a restart the message is sealed again. */
export type SealedCopy = {
  /** Thumbprint of the server key that it is sealed to. */
  readonly serverKey: string;
  /** Digest of its JWS. */
  readonly request: string;
  /** Whom the reply may be sealed to: the key that the request names, then the certified one. */
  readonly openers: readonly {
    readonly alg?: ReplyAlgorithm;
    readonly privateKey: CryptoKey;
  }[];
};

/**
 * Signs and seals one copy of a message. The answer goes to a one-time key or to the certified one; a service that cannot use the key that the
 * request names says so under the certified one, so that opens every copy.
 */
export async function sealCopy(
  message: Pending,
  state: Enrolled,
  how: {
    readonly keys: DeviceKeys;
    readonly serverKey: ServerKey;
    readonly replyKey: "one-time" | "certified";
    readonly replyBytes: number | undefined;
    readonly iat: number;
    readonly exp: number;
  },
): Promise<{ token: string; copy: SealedCopy }> {
  const { keys, serverKey, replyBytes, iat, exp } = how;
  const { jti, seq, operation, body } = message;
  const certified = { privateKey: keys.encryption.privateKey };
  const oneTime = how.replyKey === "one-time" ? await generateReplyKey() : undefined;
  const oneTimeJwk = oneTime && ({ ...(await encryptionJwk(oneTime)), alg: ecdhEs.alg } as const);
  const { token, jws } = await sealRequest(
    {
      iss: state.deviceId,
      aud: state.serviceId,
      iat,
      exp,
      jti,
      seq,
      ack: acknowledged(state.queue),
      serverKey: serverKey.kid,
      replyKey: oneTimeJwk ?? (await thumbprint(await encryptionJwk(keys.encryption))),
      ...(replyBytes === undefined ? {} : { replyBytes }),
      operation,
      body,
    },
    await webCryptoSigner(keys.signing),
    serverKey,
  );
  const openers =
    oneTime && oneTimeJwk ? [{ alg: oneTimeJwk.alg, privateKey: oneTime.privateKey }, certified] : [certified];
  return { token, copy: { serverKey: serverKey.kid, request: await tokenDigest(jws), openers } };
}

export type OpenedAnswer = { readonly reply: Reply } | { readonly reply: null; readonly unknownSigner: boolean };

/**
 * Opens an answer as the reply to any of the sealed copies of a message. Copies sealed to keys that the newest key set no longer lists are past
 * answering (rule 14). Anything that is not such a reply is nothing.
 */
export async function openAnswer(token: string, copies: readonly SealedCopy[], keySet: KeySet): Promise<OpenedAnswer> {
  let unknownSigner = false;
  for (const { request, serverKey, openers } of copies) {
    if (!keySet.lists(serverKey)) continue;
    for (const { privateKey, ...named } of openers) {
      try {
        return { reply: await openReply(token, privateKey, keySet.signingKeys, { request, ...named }) };
      } catch (error) {
        if (!isTokenError(error)) throw error;
        unknownSigner ||= error.code === "signature";
      }
    }
  }
  return { reply: null, unknownSigner };
}
