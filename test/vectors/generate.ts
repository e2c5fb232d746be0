import { readFileSync, writeFileSync } from "node:fs";

import { writeAppendix } from "./appendix.ts";
import { certificateRequests, certificates } from "./certificates.ts";
import { contents, keySets, manifests, receipts, thumbprints, trust } from "./documents.ts";
import { base64url, derSignatures, strictJson } from "./encodings.ts";
import { answers, baseUrls, credentialPackages } from "./openness.ts";
import { replies } from "./replies.ts";
import { requests } from "./requests.ts";
import { ensureTestKeys, warning } from "./test-keys.ts";

/**
 * Makes the vectors anew: `node test/vectors/generate.ts [name…]`, all of them or those named. Signatures and encryptions are randomised, so it is the
 * files that count; run it only when the protocol changes. `keys.json` stays as it is.
 */
const makers: { readonly [name: string]: () => object | Promise<object> } = {
  "strict-json": strictJson,
  base64url,
  der: derSignatures,
  thumbprints: async () => ({ vectors: await thumbprints() }),
  requests,
  replies: async () => replies(read("requests").valid?.[0]?.jws ?? ""),
  "certificate-requests": certificateRequests,
  certificates,
  trust,
  "key-sets": keySets,
  manifests,
  receipts,
  contents,
  "base-urls": baseUrls,
  "credential-packages": credentialPackages,
  answers,
};

type Counted = { valid?: { jws?: string }[]; vectors?: unknown[]; invalid?: unknown[] };
const urlOf = (name: string) => new URL(`../../vectors/${name}.json`, import.meta.url);
const read = (name: string): Counted => JSON.parse(readFileSync(urlOf(name), "utf8"));
const write = (name: string, content: object) => writeFileSync(urlOf(name), `${JSON.stringify(content, null, 2)}\n`);

await ensureTestKeys();
const wanted = process.argv.slice(2);
for (const [name, make] of Object.entries(makers)) {
  if (wanted.length === 0 || wanted.includes(name)) write(name, { note: warning, ...(await make()) });
}
const files = Object.keys(makers).map((name) => {
  const { valid = [], vectors = [], invalid = [] } = read(name);
  return { file: `${name}.json`, valid: valid.length + vectors.length, invalid: invalid.length };
});
write("index", { files });
await writeAppendix();
