/** A vector file: what must be accepted, and what differs from it in one thing and must not be. */
export type VectorFile<Input> = {
  readonly valid: readonly ({ readonly name: string } & Input)[];
  readonly invalid: readonly ({ readonly name: string; readonly change: string; readonly error: string } & Input)[];
};
