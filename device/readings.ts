import { readings } from "@sealpost/protocol/exchanges/readings.ts";

import { settleRow } from "./delivery/settle-row.ts";

/** The service has them: nothing more to remember. */
export const settleReadings = settleRow(readings, async () => (state) => state);
