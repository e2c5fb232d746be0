import { rsaPublicJwkSchema, toEcPublicJwk } from "@sealpost/protocol/token/keys.ts";

import { signingKey } from "../support/keys.ts";
import { agreementOpener, rsaOpener } from "../support/software-custody.ts";
import { nodeAgreementOpener, nodeRsaOpener } from "../vectors/node-custody.ts";
import { ecPublicJwk, rsaPublicJwk } from "../vectors/test-keys.ts";
import { openerContract } from "./opener.ts";
import { signerContract } from "./signer.ts";

signerContract("WebCrypto", signingKey);

openerContract("WebCrypto, RSA-OAEP-256", async () => {
  const opener = await rsaOpener();
  return { opener, jwk: rsaPublicJwkSchema.parse(opener.jwk) };
});
openerContract("WebCrypto, ECDH-ES+A256KW", async () => {
  const opener = await agreementOpener();
  return { opener, jwk: toEcPublicJwk({ ...opener.jwk }) };
});
openerContract("node:crypto, RSA-OAEP-256", async () => ({ opener: await nodeRsaOpener(), jwk: rsaPublicJwk() }));
openerContract("node:crypto, ECDH-ES+A256KW", async () => ({
  opener: await nodeAgreementOpener(),
  jwk: ecPublicJwk("messageAgreement"),
}));
