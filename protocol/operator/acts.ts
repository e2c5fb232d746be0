import type * as z from "zod/mini";

import type { Act, Duty } from "./act.ts";
import { auditActs } from "./audit.ts";
import { commandActs } from "./commands.ts";
import { credentialActs } from "./credentials.ts";
import { deviceActs } from "./devices.ts";
import { releaseActs } from "./releases.ts";
import { trustActs } from "./trust.ts";

/**
 * Everything that an operator can do, once: the routes and IAM policies of the CDK, the operator function and the CLI's client are made of it.
 * Requests and queries are strict; an older client passes over what a newer service adds to a reply. Times are Unix seconds.
 */
export const acts = { ...trustActs, ...credentialActs, ...deviceActs, ...commandActs, ...releaseActs, ...auditActs };

export type ActName = keyof typeof acts;
type Acts = typeof acts;

/** Parameters of the path. */
export type PathOf<Name extends ActName> = { readonly [Parameter in ParametersOf<Acts[Name]["path"]>]: string };
type ParametersOf<Path extends string> = Path extends `${string}{${infer Parameter}}${infer Rest}`
  ? Parameter | ParametersOf<Rest>
  : never;

/** The query as it is parsed. */
export type QueryOf<Name extends ActName> = Acts[Name] extends { readonly query: infer Query extends z.ZodMiniType }
  ? z.output<Query>
  : undefined;
/** The query as it is sent. */
export type QueryTextOf<Name extends ActName> = Acts[Name] extends { readonly query: infer Query extends z.ZodMiniType }
  ? z.input<Query>
  : undefined;
export type RequestOf<Name extends ActName> = Acts[Name] extends { readonly request: infer Body extends z.ZodMiniType }
  ? z.output<Body>
  : undefined;
export type ReplyOf<Name extends ActName> = z.output<Acts[Name]["reply"]>;

/** A JSON request: a co-signed document of any size that devices take. */
export const requestBytes = 655_360;

export function actsOf(duty: Duty): Act[] {
  return Object.values<Act>(acts).filter(({ duties }) => duties.includes(duty));
}

/** `GET /operator/devices/{deviceId}`, as API Gateway names a route. */
export function routeKeyOf({ method, path }: Act): string {
  return `${method} ${path}`;
}
