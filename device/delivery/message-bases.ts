import { baseOf } from "./base-url.ts";
import type { Settings } from "../options.ts";
import type { Enrolled } from "../state/state.ts";

/** Where messages go: the relay that the user named, or else the addresses of the trust document, in its order. Never empty. */
export function messageBases({ trust }: Enrolled, { via }: Pick<Settings, "via">): readonly string[] {
  return (via === undefined ? trust.messageUrls : [via]).map(baseOf);
}
