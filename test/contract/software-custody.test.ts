import { signingKey } from "../support/keys.ts";
import { agreementOpener, rsaOpener } from "../support/software-custody.ts";
import { nodeAgreementOpener, nodeRsaOpener } from "../vectors/node-custody.ts";
import { epochsInMemory } from "../support/software-epochs.ts";
import { openerContract } from "./opener.ts";
import { signerContract } from "./signer.ts";

signerContract("WebCrypto", signingKey);

signerContract("epoch", async () => (await epochsInMemory()).replySigner);
openerContract("epoch", async () => {
  const [opener] = (await epochsInMemory()).openers;
  if (!opener) throw new Error("no opener");
  return opener;
});

openerContract("WebCrypto, RSA-OAEP-256", rsaOpener);
openerContract("WebCrypto, ECDH-ES+A256KW", agreementOpener);
openerContract("node:crypto, RSA-OAEP-256", nodeRsaOpener);
openerContract("node:crypto, ECDH-ES+A256KW", nodeAgreementOpener);
