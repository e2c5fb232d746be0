import { rsaJwkSchema } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { toSigningJwk } from "@sealpost/protocol/suites/suites.ts";

import { signingKey } from "../support/keys.ts";
import { agreementOpener, rsaOpener } from "../support/software-custody.ts";
import { nodeAgreementOpener, nodeRsaOpener } from "../vectors/node-custody.ts";
import { ecPublicJwk, rsaPublicJwk } from "../vectors/test-keys.ts";
import { openerContract } from "./opener.ts";
import { signerContract } from "./signer.ts";

signerContract("WebCrypto", signingKey);

openerContract("WebCrypto, RSA-OAEP-256", async () => {
  const opener = await rsaOpener();
  return { opener, jwk: rsaJwkSchema.parse(opener.jwk) };
});
openerContract("WebCrypto, ECDH-ES+A256KW", async () => {
  const opener = await agreementOpener();
  return { opener, jwk: toSigningJwk({ ...opener.jwk }) };
});
openerContract("node:crypto, RSA-OAEP-256", async () => ({ opener: await nodeRsaOpener(), jwk: rsaPublicJwk() }));
openerContract("node:crypto, ECDH-ES+A256KW", async () => ({
  opener: await nodeAgreementOpener(),
  jwk: ecPublicJwk("messageAgreement"),
}));
