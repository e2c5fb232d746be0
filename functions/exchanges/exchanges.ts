import { deregistrationOperation } from "@sealpost/protocol/exchanges/deregistration.ts";
import { firmwareCheckOperation, firmwareReportOperation } from "@sealpost/protocol/exchanges/firmware.ts";
import { registrationOperation } from "@sealpost/protocol/exchanges/registration.ts";
import { renewalOperation } from "@sealpost/protocol/exchanges/renewal.ts";

import { deregistration } from "./deregistration.ts";
import type { Exchange } from "./exchange.ts";
import { firmwareCheck } from "./firmware-check.ts";
import { firmwareReport } from "./firmware-report.ts";
import { registration } from "./registration.ts";
import { renewal } from "./renewal.ts";

/** Every operation that a sealed request may name. */
export const exchanges: ReadonlyMap<string, Exchange> = new Map([
  [registrationOperation, registration],
  [firmwareCheckOperation, firmwareCheck],
  [firmwareReportOperation, firmwareReport],
  [renewalOperation, renewal],
  [deregistrationOperation, deregistration],
]);
