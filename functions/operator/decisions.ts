import type { ActName } from "@sealpost/protocol/operator/acts.ts";

import type { Decide } from "./act.ts";
import { listAudit } from "./audit.ts";
import { cancelCommand, listCommands, queueCommand, showCommand } from "./commands.ts";
import { createCredential, listCredentials, revokeCredential } from "./credentials.ts";
import { listDevices, revokeDevice, showDevice } from "./devices.ts";
import { withdrawRelease } from "./release-withdrawal.ts";
import { listReleases, publishRelease } from "./releases.ts";
import { publishTrust, showTrust } from "./trust.ts";

/** What decides each act of the protocol's table. */
export const decisions: { readonly [Name in ActName]: Decide<Name> } = {
  showTrust,
  publishTrust,
  listCredentials,
  createCredential,
  revokeCredential,
  listDevices,
  showDevice,
  revokeDevice,
  queueCommand,
  listCommands,
  showCommand,
  cancelCommand,
  listReleases,
  publishRelease,
  withdrawRelease,
  listAudit,
};
