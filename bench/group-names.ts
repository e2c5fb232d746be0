/** What is measured together, side by side. */
export const groupNames = ["tokens", "handler", "bytes"] as const;
export type GroupName = (typeof groupNames)[number];
