/**
 * The path of a request target, or `null` if a node on the way could read it as another one (dot segments, also
 * percent-encoded, backslashes, absolute form): an edge that routes by prefix must see what the upstream sees.
 */
export function plainPath(target: string | undefined): string | null {
  if (target === undefined || !target.startsWith("/") || target.startsWith("//")) return null;
  const path = target.split("?", 1)[0] ?? "";
  return URL.parse(path, "http://edge.invalid")?.pathname === path ? path : null;
}
