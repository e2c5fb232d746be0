import fc from "fast-check";

/** One seed for every property, so that a run repeats; `SEED=… npm test` explores. */
const seed = Number(process.env["SEED"] ?? 8188);

fc.configureGlobal({ seed });
