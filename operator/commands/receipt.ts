import { readFile } from "node:fs/promises";

import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { type TrustClaims, readTrust } from "@sealpost/protocol/documents/trust.ts";
import type { ReceiptClaims } from "@sealpost/protocol/exchanges/deregistration.ts";
import { pageItems } from "@sealpost/protocol/operator/paging.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import type { Command } from "commander";
import * as z from "zod/mini";

import { reasonOf } from "../credential-file.ts";
import { isoTime } from "../duration.ts";
import { OperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import type { Service } from "../service.ts";
import { openSession } from "../session.ts";
import { record } from "../table.ts";

export function addReceiptCommands(program: Command): void {
  program
    .command("receipt")
    .description("what the service signed for a device that has left")
    .command("verify")
    .description("verify a receipt under the receipt keys of this service, the present ones and all before them")
    .argument("<file>", "the receipt, as `sealpost-device deregister` leaves or prints it")
    .addHelpText("after", examples("receipt verify receipt.jwt"))
    .action(verify);
}

async function verify(path: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const receipt = await readReceipt(path);
  for await (const trust of trustDocuments(service)) {
    const claims = await opened(receipt, trust, path);
    if (!claims) continue;
    const { iss, sub, iat, signingKey, encryptionKey } = claims;
    await output.result(
      { valid: true, claims },
      `The receipt is valid.\n\n${record({
        service: iss,
        device: sub,
        left: isoTime(iat),
        "signing key": signingKey,
        "encryption key": encryptionKey,
        "signed under": `trust document version ${trust.version}`,
      })}`,
    );
    return;
  }
  throw new OperatorFault(
    "refused",
    `${path} is not signed by any receipt key that this service ever stated.`,
    "it is of another service (look at --stack), or forged",
  );
}

/** The present document, then those before it as the journal keeps them, newest first. */
async function* trustDocuments(service: Service): AsyncGenerator<TrustClaims> {
  const { chain, version } = await service.ask("showTrust", {});
  yield readTrust(chain);
  let cursor: string | undefined;
  do {
    const query = { target: "trust", limit: String(pageItems.most), cursor };
    const page = await service.ask("listAudit", { query });
    for (const { detail } of page.entries) {
      const { document } = publishedSchema.parse(detail);
      const earlier = readTrust([document]);
      if (earlier.version !== version) yield earlier;
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}
const publishedSchema = z.object({ document: z.array(z.string()) });

/** @returns undefined when this document does not know who signed it */
async function opened(receipt: string, trust: TrustClaims, path: string): Promise<ReceiptClaims | undefined> {
  try {
    return await openReceipt(receipt, trust);
  } catch (error) {
    if (!isTokenError(error)) throw error;
    if (error.code === "unknown-key") return undefined;
    throw new OperatorFault(
      "refused",
      `${path} is not a valid receipt of this service (${error.code}, ${error.detail}).`,
      "compare it with the one that the registry keeps: `sealpost device show ID --json`",
      { cause: error },
    );
  }
}

const wrappedSchema = z.object({ receipt: z.string() });

/** The compact JWS, or JSON with a member `receipt`. */
async function readReceipt(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new OperatorFault("usage", `${path} cannot be read (${reasonOf(cause)}).`, "name the receipt's file", {
      cause,
    });
  });
  const trimmed = text.trim();
  if (!trimmed.startsWith("{")) return trimmed;
  try {
    return wrappedSchema.parse(parseJson(new TextEncoder().encode(trimmed), "receipt")).receipt;
  } catch (cause) {
    throw new OperatorFault("usage", `${path} holds no receipt.`, "name the receipt's file", { cause });
  }
}
