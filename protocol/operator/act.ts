import * as z from "zod/mini";

/** What an operator may be allowed to do, each by an IAM policy of its own; none implies another. */
export const duties = ["enrolling", "revoking", "commanding", "releasing", "publishing", "root", "reading"] as const;
export type Duty = (typeof duties)[number];

/** One thing that an operator does to the service: its route, who may, and what goes in and comes out. */
export type Act = {
  readonly method: "GET" | "POST";
  /** As API Gateway spells it. */
  readonly path: `/operator/${string}`;
  /** Forms of the path's parameters; one that is not named here is an id. */
  readonly parameters?: { readonly [parameter: string]: z.ZodMiniType<string> };
  /** Whose policies allow it. The first is named to whoever lacks all of them. */
  readonly duties: readonly [Duty, ...Duty[]];
  /** Of the query; none without it. */
  readonly query?: z.ZodMiniType<unknown, { readonly [name: string]: string | undefined }>;
  /** Of the JSON body; none without it. */
  readonly request?: z.ZodMiniType;
  readonly reply: z.ZodMiniType;
};

/** Unix seconds. */
export const seconds = z.int().check(z.nonnegative());

/** What an id begins with, for whoever does not type it whole. */
export const idPrefixSchema = z.string().check(z.regex(/^[0-9a-f]{4,8}(?:-[0-9a-f-]{0,27})?$/));

/** A UUID in its one form, lower case. */
export const idSchema = z.uuid().check(z.lowercase());
