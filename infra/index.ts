export type { FunctionCode, FunctionName } from "./function-code.ts";
export type { SealpostProps, Throttle } from "./props.ts";
export { Sealpost } from "./sealpost.ts";
export type { SealpostPolicies, SealpostTables } from "./sealpost.ts";
