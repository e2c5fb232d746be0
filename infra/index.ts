export type { FunctionCode, FunctionName } from "./function-code.ts";
export type { EventsTarget } from "./events-target.ts";
export type { SealpostProps, Throttle } from "./props.ts";
export { Sealpost } from "./sealpost.ts";
export type { SealpostEvents, SealpostPolicies, SealpostTables } from "./sealpost.ts";
