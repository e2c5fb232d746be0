import type { Answer } from "./act.ts";
import { listAudit } from "./audit.ts";
import type { Call } from "./call.ts";
import { createCredential, listCredentials, revokeCredential } from "./credentials.ts";
import { listDevices, revokeDevice, showDevice } from "./devices.ts";
import type { OperatorPorts } from "./ports.ts";
import { listReleases, publishRelease } from "./releases.ts";
import { publishTrust, showTrust } from "./trust.ts";

export type Route = (call: Call, ports: OperatorPorts) => Promise<Answer>;

/** Every act of an operator, by the route that IAM grants or denies it as. */
export const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["GET /operator/trust", showTrust],
  ["POST /operator/trust", publishTrust],
  ["GET /operator/credentials", listCredentials],
  ["POST /operator/credentials", createCredential],
  ["POST /operator/credentials/{credentialId}/revoke", revokeCredential],
  ["GET /operator/devices", listDevices],
  ["GET /operator/devices/{deviceId}", showDevice],
  ["POST /operator/devices/{deviceId}/revoke", revokeDevice],
  ["GET /operator/releases", listReleases],
  ["POST /operator/releases", publishRelease],
  ["GET /operator/audit", listAudit],
]);
