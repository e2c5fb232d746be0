/** What is measured together, side by side. */
export const groupNames = ["counted", "tokens", "handler", "bytes", "start", "firmware"] as const;
export type GroupName = (typeof groupNames)[number];
