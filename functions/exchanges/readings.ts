import { readings as exchange } from "@sealpost/protocol/exchanges/readings.ts";

import { serve } from "./exchange.ts";

/** What a device measured: it rides in the one write of its message, and the table's stream brings it to the operator's systems. */
export const readings = serve(exchange, {
  runsIn: { provisioned: false, registered: true },
  acts: 0,
  result: exchange.reply,
  decide: (body) => ({ effect: { result: {}, readings: body } }),
  reply: (result) => result,
});
