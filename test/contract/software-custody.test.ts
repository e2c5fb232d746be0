import { signingKey } from "../support/keys.ts";
import { agreementOpener, rsaOpener } from "../support/software-custody.ts";
import { nodeAgreementOpener, nodeRsaOpener } from "../vectors/node-custody.ts";
import { openerContract } from "./opener.ts";
import { signerContract } from "./signer.ts";

signerContract("WebCrypto", signingKey);

openerContract("WebCrypto, RSA-OAEP-256", rsaOpener);
openerContract("WebCrypto, ECDH-ES+A256KW", agreementOpener);
openerContract("node:crypto, RSA-OAEP-256", nodeRsaOpener);
openerContract("node:crypto, ECDH-ES+A256KW", nodeAgreementOpener);
