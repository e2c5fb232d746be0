/** What is measured together, side by side. */
export const groupNames = ["tokens", "handler", "bytes", "start", "firmware"] as const;
export type GroupName = (typeof groupNames)[number];
