import { commandsResult as exchange } from "@sealpost/protocol/exchanges/commands.ts";

import { serve } from "./exchange.ts";

/** Nobody can give a command yet. */
export const commandsResult = serve(exchange, {
  runsIn: { provisioned: false, registered: true },
  acts: 0,
  result: exchange.reply,
  decide: () => ({ refusal: { code: "unknown-command", field: "body.n" } }),
  reply: (result) => result,
});
