import { readings } from "@sealpost/protocol/exchanges/readings.ts";

import { settleRow } from "../delivery/settle-row.ts";

/** What the device can change, and then the readings are taken. */
const untilThen: ReadonlySet<string> = new Set(["not-registered", "unsupported-operation"]);

/**
 * The service has them: nothing more to remember. What it did not take under this number for the number's sake goes out under another; what it
 * does not take yet is held; what it never takes is counted.
 */
export const settleReadings = settleRow(
  readings,
  async () => (state) => state,
  (code, body) => {
    if (code === "conflict") return "again";
    if (code === "below-window" || code === "reply-too-large") return undefined;
    if (untilThen.has(code)) return (state) => ({ ...state, readings: { ...state.readings, held: body } });
    const refused = body.records.length;
    return (state) => ({ ...state, readings: { ...state.readings, refused: state.readings.refused + refused } });
  },
);
