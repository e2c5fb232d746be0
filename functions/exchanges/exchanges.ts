import { commandsNext } from "./commands-next.ts";
import { commandsResult } from "./commands-result.ts";
import { deregistration } from "./deregistration.ts";
import type { ServedExchanges } from "./exchange.ts";
import { firmwareCheck } from "./firmware-check.ts";
import { firmwareReport } from "./firmware-report.ts";
import { readings } from "./readings.ts";
import { registration } from "./registration.ts";
import { renewal } from "./renewal.ts";

type Ports = Parameters<typeof commandsNext>[0] &
  Parameters<typeof commandsResult>[0] &
  Parameters<typeof firmwareCheck>[0] &
  Parameters<typeof firmwareReport>[0] &
  Parameters<typeof renewal>[0] &
  Parameters<typeof deregistration>[0];

/** Composes the exchanges; each sees its own ports alone. */
export function serveExchanges(ports: Ports): ServedExchanges {
  return {
    register: registration,
    "firmware.check": firmwareCheck(ports),
    "firmware.report": firmwareReport(ports),
    readings,
    "commands.next": commandsNext(ports),
    "commands.result": commandsResult(ports),
    renew: renewal(ports),
    deregister: deregistration(ports),
  };
}
