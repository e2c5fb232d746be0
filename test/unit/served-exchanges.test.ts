import { defineExchange } from "@sealpost/protocol/exchanges/define-exchange.ts";
import { exchanges } from "@sealpost/protocol/exchanges/exchanges.ts";
import { renewal as definition } from "@sealpost/protocol/exchanges/renewal.ts";
import { expect, test } from "vitest";
import * as z from "zod/mini";

import { type ServedExchanges, serve } from "../../functions/exchanges/exchange.ts";
import { startService } from "../support/service.ts";

/** The compiler is the test: `npm run check` fails where one of these mistakes stops being an error. */

const { messages } = await startService();
const { renew, ...others } = messages.exchanges;
const living = { runsIn: { provisioned: true, registered: true }, acts: 0 } as const;

test("ok/the service has a row for each exchange of the protocol, under its own name", () => {
  expect(Object.values(messages.exchanges).map(({ operation }) => operation)).toEqual(
    exchanges.map(({ operation }) => operation),
  );
});

test("fails/an exchange that the service forgets does not compile", () => {
  // @ts-expect-error: there is no row for `renew`.
  const forgotten: ServedExchanges = others;
  // @ts-expect-error: the row of another exchange.
  const crossed: ServedExchanges = { ...others, renew: others.register };
  const listed: ServedExchanges = { ...others, renew };
  expect([forgotten, crossed, listed]).toHaveLength(3);
});

test("fails/an exchange that the protocol does not list does not compile", () => {
  const stray = defineExchange({ operation: "stray", request: z.object({}), reply: z.object({}) });
  const row = { ...living, result: z.object({}), decide: () => ({ effect: { result: {} } }), reply: () => ({}) };
  // @ts-expect-error: `stray` is none of the protocol's operations.
  expect(serve(stray, row).operation).toBe("stray");
});

test("fails/a wrong body, a wrong result and a wrong reply do not compile", () => {
  const result = z.object({ done: z.boolean() });
  const wrongBody = serve(definition, {
    ...living,
    result,
    // @ts-expect-error: the request has no such member.
    decide: ({ model }) => ({ effect: { result: { done: model === undefined } } }),
    reply: () => undefined,
  });
  const wrongResult = serve(definition, {
    ...living,
    result,
    // @ts-expect-error: what is stored is not of the shape that the row declares.
    decide: () => ({ effect: { result: { done: "yes" } } }),
    reply: () => undefined,
  });
  const wrongReply = serve(definition, {
    ...living,
    result,
    decide: () => ({ effect: { result: { done: true } } }),
    // @ts-expect-error: the reply is a certificate.
    reply: ({ done }) => ({ done }),
  });
  expect([wrongBody, wrongResult, wrongReply].map(({ operation }) => operation)).toEqual(["renew", "renew", "renew"]);
});
