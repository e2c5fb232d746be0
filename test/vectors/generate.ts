import { writeFileSync } from "node:fs";

import { writeAppendix } from "./appendix.ts";
import { certificateRequests, certificates } from "./certificates.ts";
import { contents, keySets, manifests, receipts, thumbprints, trust } from "./documents.ts";
import { base64url, derSignatures, strictJson } from "./encodings.ts";
import { replies } from "./replies.ts";
import { requests } from "./requests.ts";
import { ensureTestKeys, warning } from "./test-keys.ts";

/**
 * Makes the vectors anew: `node test/vectors/generate.ts`. Signatures and encryptions are randomised, so it is the files that count; run it
 * only when the protocol changes. `keys.json` stays as it is.
 */

await ensureTestKeys();
const index: { file: string; valid: number; invalid: number }[] = [];
const count = (vectors: object, list: string) =>
  Object.entries(vectors).flatMap(([name, rows]) => (name === list && Array.isArray(rows) ? rows : [])).length;
const write = (name: string, vectors: object) => {
  const valid = count(vectors, "valid") + count(vectors, "vectors");
  index.push({ file: `${name}.json`, valid, invalid: count(vectors, "invalid") });
  writeFileSync(
    new URL(`../../vectors/${name}.json`, import.meta.url),
    `${JSON.stringify({ note: warning, ...vectors }, null, 2)}\n`,
  );
};

write("strict-json", strictJson());
write("base64url", base64url());
write("der", derSignatures());
write("thumbprints", { vectors: await thumbprints() });
const sealed = await requests();
write("requests", sealed);
write("replies", await replies(sealed.valid[0]?.jws ?? ""));
write("certificate-requests", await certificateRequests());
write("certificates", await certificates());
write("trust", await trust());
write("key-sets", await keySets());
write("manifests", await manifests());
write("receipts", await receipts());
write("contents", contents());

writeFileSync(new URL("../../vectors/index.json", import.meta.url), `${JSON.stringify({ files: index }, null, 2)}\n`);
await writeAppendix();
