/** What is measured together, side by side. */
export const groupNames = ["tokens", "handler"] as const;
export type GroupName = (typeof groupNames)[number];
