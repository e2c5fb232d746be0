/** A base URL without its trailing slashes, to append a path to. */
export function baseOf(url: string): string {
  return url.replace(/\/+$/, "");
}
