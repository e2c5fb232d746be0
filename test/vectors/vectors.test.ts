import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { derToRaw, rawToDer } from "@sealpost/protocol/token/der.ts";
import { openCertificateRequest } from "@sealpost/protocol/documents/certificate-request.ts";
import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import { openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { openContent } from "@sealpost/protocol/content/aes128gcm.ts";
import { openManifest } from "@sealpost/protocol/documents/manifest.ts";
import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { openReply } from "@sealpost/protocol/messages/reply.ts";
import { decodeBase64url, encodeBase64url, parseJson } from "@sealpost/protocol/token/strict.ts";
import { TokenError, type TokenErrorCode, isTokenError } from "@sealpost/protocol/token/token-error.ts";
import { certificateAnswerSchema, credentialPackageSchema, tokenAnswerSchema } from "@sealpost/protocol/bootstrap.ts";
import { messageSchemes, parseBaseUrl } from "@sealpost/protocol/documents/base-url.ts";
import { catchUpSchema, followTrust } from "@sealpost/protocol/documents/trust.ts";
import * as z from "zod/mini";

import { verifyDeviceCertificate } from "../../device/identity/device-certificate.ts";
import { openRequest } from "../support/open.ts";
import { devicePuts, newDevice } from "../../functions/registry/device.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { startService } from "../support/service.ts";
import { withAppendix } from "./appendix.ts";
import type { CertificateRequestVector, CertificateVector } from "./certificates.ts";
import type {
  ContentVector,
  KeySetVector,
  ManifestVector,
  ReceiptVector,
  ThumbprintVector,
  TrustVector,
} from "./documents.ts";
import { trustClaims } from "./documents.ts";
import { nodeAgreementOpener, nodeRsaOpener } from "./node-custody.ts";
import type { AnswerVector, BaseUrlVector, DocumentVector } from "./openness.ts";
import type { ReplyFile } from "./replies.ts";
import type { RequestVector } from "./requests.ts";
import { agreementPrivateKey, deviceId, ecPublicJwk, kidOf, now, rsaPublicJwk, serviceId } from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

const read = <T>(name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")) as T & { note: string };
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

/** Each valid vector opens to what is expected of it; each invalid one gives its error code, and no other. */
function verify<Input>(
  file: VectorFile<Input>,
  open: (input: Input) => unknown,
  expected: (input: Input) => object | string | number | null,
) {
  for (const vector of file.valid) {
    test(`ok/${vector.name}`, async () => {
      expect(await open(vector)).toEqual(expected(vector));
    });
  }
  for (const vector of file.invalid) {
    test(`fails/${vector.name} (${vector.error})`, async () => {
      expect(await codeOf(async () => open(vector))).toBe(vector.error);
    });
  }
}

function pick(from: object, like: object): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => Object.hasOwn(like, name)));
}

async function codeOf(open: () => Promise<unknown>): Promise<string> {
  try {
    await open();
    return "opened";
  } catch (error) {
    return isTokenError(error) ? error.code : String(error);
  }
}

describe("strict JSON", () => {
  verify(
    read<VectorFile<{ bytes: string }>>("strict-json"),
    ({ bytes }) => parseJson(bytesOf(bytes), "vector"),
    ({ bytes }) => JSON.parse(Buffer.from(bytes, "hex").toString()),
  );
});

describe("base64url", () => {
  verify(
    read<VectorFile<{ text: string; bytes?: string }>>("base64url"),
    ({ text }) => {
      const bytes = decodeBase64url(text, "vector");
      return { bytes, text: encodeBase64url(bytes) };
    },
    ({ text, bytes = "" }) => ({ bytes: bytesOf(bytes), text }),
  );
});

describe("DER signatures", () => {
  verify(
    read<VectorFile<{ der: string; raw?: string }>>("der"),
    ({ der }) => {
      const raw = derToRaw(bytesOf(der));
      return { raw, der: rawToDer(raw) };
    },
    ({ raw = "", der }) => ({ raw: bytesOf(raw), der: bytesOf(der) }),
  );
});

describe("thumbprints", () => {
  const { vectors } = read<{ vectors: (ThumbprintVector & { name: string })[] }>("thumbprints");
  test.each(vectors)("ok/$name", async ({ jwk, thumbprint: expected }) => {
    expect(await thumbprint(jwk)).toBe(expected);
  });
});

describe("requests", async () => {
  const store = memoryStore();
  const keys = { signingKey: ecPublicJwk("deviceSigning"), encryptionKey: ecPublicJwk("deviceEncryption") };
  const identity = { deviceId, serialNumber: "1", credentialId: deviceId, keys, certificate: "AAAA", created: now };
  const device = newDevice(identity);
  await store.write(devicePuts(device, device, 1));
  const { messages } = await startService();
  const ports = { ...messages, serviceId, store };
  const present = { openers: await Promise.all([nodeRsaOpener(), nodeAgreementOpener()]) };
  verify(
    read<VectorFile<RequestVector>>("requests"),
    async ({ token, field }) => {
      const { message } = await openRequest(ports, present, token);
      // A defect that is told under seal names its field; the refusal's code is the error of the vector.
      if (message.kind === "defect")
        throw new TokenError((message.field === field ? "malformed" : message.field) as TokenErrorCode, "");
      const { iss, aud, seq, ack, operation } = message.claims;
      return { iss, aud, seq, ack, operation };
    },
    () => ({ iss: deviceId, aud: serviceId, seq: 7, ack: 6, operation: "register" }),
  );
});

describe("replies", async () => {
  const { awaited, ...file } = read<ReplyFile>("replies");
  const signingKeys = [ecPublicJwk("messageAgreement"), ecPublicJwk("messageSigning")];
  verify(
    file,
    async ({ token, key }) => {
      const { status, time, body } = await openReply(token, await agreementPrivateKey(key), signingKeys, awaited);
      return { status, time, retry: status === "ok" ? undefined : body.retry };
    },
    ({ status = "ok", retry = status === "ok" ? undefined : true }) => ({ status, time: now + 1, retry }),
  );
});

describe("trust chains", () => {
  verify(
    read<VectorFile<TrustVector>>("trust"),
    async ({ chain, pins, uses = {} }) => {
      const { iss, version, messageUrls, keySetKeys, standby } = await followTrust(chain, pins);
      const used = {
        messageUrls,
        keySetKeys: await Promise.all(keySetKeys.map(thumbprint)),
        standby: await Promise.all((standby ? [standby] : []).map(thumbprint)),
      };
      return { iss, version, uses: pick(used, uses) };
    },
    ({ version, uses = {} }) => ({ iss: serviceId, version, uses }),
  );
});

describe("certificate requests", () => {
  verify(
    read<VectorFile<CertificateRequestVector>>("certificate-requests"),
    ({ csr }) => openCertificateRequest(csr, { encryptionKey: ecPublicJwk("deviceEncryption"), id: deviceId }),
    () => ecPublicJwk("deviceSigning"),
  );
});

describe("device certificates", async () => {
  const { issuingCa, ...file } = read<VectorFile<CertificateVector> & { issuingCa: string }>("certificates");
  const own = {
    deviceId,
    signingKey: await kidOf("deviceSigning"),
    encryptionKey: await kidOf("deviceEncryption"),
  };
  verify(
    file,
    async ({ certificate }) => {
      await verifyDeviceCertificate(certificate, issuingCa, own);
      return certificateKey(certificate);
    },
    () => ecPublicJwk("deviceSigning"),
  );
});

describe("key sets", async () => {
  const all = [await kidOf("messageSigning"), await thumbprint(rsaPublicJwk()), await kidOf("messageAgreement")];
  verify(
    read<VectorFile<KeySetVector>>("key-sets"),
    async ({ token }) => {
      const keySet = await openKeySet(token, { serviceId, keySetKeys: trustClaims().keySetKeys });
      const seals = keySet.serverKey(now)?.kid ?? null;
      return { version: keySet.version, kids: all.filter(keySet.lists), seals };
    },
    ({ kids = [], seals = all[1] }) => ({ version: now, kids, seals }),
  );
});

describe("manifests, threshold 2", () => {
  verify(
    read<VectorFile<ManifestVector>>("manifests"),
    async ({ document }) => {
      const { counter, hardware } = await openManifest(document, trustClaims());
      return { counter, ours: ["r1", "r2"].every((one) => hardware.includes(one)) };
    },
    () => ({ counter: 2, ours: true }),
  );
});

describe("receipts", async () => {
  const about = {
    sub: deviceId,
    signingKey: await kidOf("deviceSigning"),
    encryptionKey: await kidOf("deviceEncryption"),
  };
  verify(
    read<VectorFile<ReceiptVector>>("receipts"),
    async ({ receipt }) => {
      const { type, iat } = await openReceipt(receipt, trustClaims(), about);
      return { type, iat };
    },
    () => ({ type: "deregistration", iat: now }),
  );
});

describe("encrypted contents", () => {
  const refused = () => new TokenError("null" as TokenErrorCode, "content");
  verify(
    read<VectorFile<ContentVector>>("contents"),
    async ({ contentKey, recordSize, content }) => {
      const bytes = new Uint8Array(Buffer.from(content, "base64url"));
      const cipher = await openContent(
        new Uint8Array(Buffer.from(contentKey, "base64url")),
        bytes.slice(0, 21),
        recordSize - 17,
      );
      if (!cipher) throw refused();
      const records: string[] = [];
      const digests: Buffer[] = [];
      for (let at = 21, index = 0; at < bytes.length; at += recordSize, index += 1) {
        const data = await cipher.open(index, bytes.slice(at, at + recordSize), at + recordSize >= bytes.length);
        if (!data) throw refused();
        records.push(Buffer.from(data).toString("base64url"));
        digests.push(
          createHash("sha256")
            .update(bytes.subarray(at, at + recordSize))
            .digest(),
        );
      }
      return { records, recordList: Buffer.concat(digests).toString("base64url") };
    },
    ({ records = [], recordList }) => ({ records, recordList }),
  );
});

const parsed = (schema: z.ZodMiniType, document: unknown) => {
  const { success, data } = schema.safeParse(document);
  if (!success) throw new TokenError("claims", "document");
  return data;
};

describe("base URLs", () => {
  verify(
    read<VectorFile<BaseUrlVector>>("base-urls"),
    ({ text }) => {
      const url = parseBaseUrl(text, messageSchemes);
      if ("defect" in url) throw new TokenError("claims", url.defect);
      return url.base;
    },
    ({ base = "" }) => base,
  );
});

describe("credential packages", () => {
  verify(
    read<VectorFile<DocumentVector>>("credential-packages"),
    ({ document }) => ({ ...document, ...z.looseObject({}).parse(parsed(credentialPackageSchema, document)) }),
    ({ document }) => ({ ...document, roots: z.array(z.unknown()).parse(document["roots"]).slice(0, 2) }),
  );
});

describe("answers", () => {
  const schemas = {
    keys: catchUpSchema,
    "key-retired": catchUpSchema,
    token: tokenAnswerSchema,
    certificate: certificateAnswerSchema,
  };
  verify(
    read<VectorFile<AnswerVector>>("answers"),
    ({ answer, document }) => typeof parsed(schemas[answer], document),
    () => "object",
  );
});

describe("what strangers read", () => {
  const folder = new URL("../../vectors/", import.meta.url);
  const files = readdirSync(folder).filter(
    (file) => file.endsWith(".json") && !["index.json", "keys.json"].includes(file),
  );

  test("ok/the index lists every file and counts it", () => {
    const { files: listed } = read<{ files: { file: string; valid: number; invalid: number }[] }>("index");
    const counted = files.map((file) => {
      const { valid = [], vectors = [], invalid = [] } = read<Record<string, unknown[]>>(file.replace(".json", ""));
      return { file, valid: valid.length + vectors.length, invalid: invalid.length };
    });
    expect(listed.toSorted((a, b) => a.file.localeCompare(b.file))).toEqual(counted);
  });

  test("ok/the README describes every member", () => {
    const text = readFileSync(new URL("README.md", folder), "utf8");
    const members = files.flatMap((file) => {
      const {
        valid = [],
        vectors = [],
        invalid = [],
        ...rest
      } = read<Record<string, object[]>>(file.replace(".json", ""));
      return [...Object.keys(rest), ...[...valid, ...vectors, ...invalid].flatMap(Object.keys)];
    });
    expect([...new Set([...files, ...members])].filter((member) => !text.includes(`\`${member}\``))).toEqual([]);
  });

  test("ok/the protocol's appendix is made from these files", async () => {
    const { present, anew } = await withAppendix();
    expect(present).toBe(anew);
  });
});
