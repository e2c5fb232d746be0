import { commandsNext as exchange } from "@sealpost/protocol/exchanges/commands.ts";
import * as z from "zod/mini";

import { serve } from "./exchange.ts";

/** Nobody can give a command yet. */
export const commandsNext = serve(exchange, {
  runsIn: { provisioned: false, registered: true },
  acts: 0,
  result: z.object({}),
  decide: () => ({ effect: { result: {} } }),
  reply: () => ({ command: null }),
});
