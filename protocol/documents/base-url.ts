/** What is wrong with a text that should be a base URL, to be read behind its name: "--via has a query". */
export type BaseUrlDefect =
  | "is longer than 2,048 characters"
  | "is not a URL of the form scheme://host/path"
  | "has a scheme that is not used here"
  | "has a user name or password"
  | "has a query"
  | "has a fragment"
  | "has spaces or characters that are not ASCII"
  | "has a port that HTTP clients refuse";

const longest = 2_048;
const form = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]+)(\/[^?#\\]*)?(\?[^#]*)?(#.*)?$/iu;

/**
 * The one rule for base URLs, for whoever signs them, is told one, or takes one from a document: `scheme://host[:port][/path]` in printable ASCII,
 * no user information, query or fragment, and no port that clients refuse to connect to.
 * @param schemes without a colon, in lower case
 * @returns the URL in its canonical form (RFC 3986 §6.2.2, as WHATWG URL writes it), without trailing slashes, to append a path to
 * @example
 * parseBaseUrl("http://Relay.example:80/plane/", ["http", "https"]); // { base: "http://relay.example/plane" }
 * parseBaseUrl("mqtts://relay.example", ["http", "https"]); // { defect: "has a scheme that is not used here" }
 */
export function parseBaseUrl(
  text: string,
  schemes: readonly string[],
): { readonly base: string } | { readonly defect: BaseUrlDefect } {
  if (text.length > longest) return { defect: "is longer than 2,048 characters" };
  if (!/^[\x21-\x7e]*$/u.test(text)) return { defect: "has spaces or characters that are not ASCII" };
  const [, scheme = "", authority = "", , query, fragment] = form.exec(text) ?? [];
  if (scheme === "") return { defect: "is not a URL of the form scheme://host/path" };
  if (!schemes.includes(scheme.toLowerCase())) return { defect: "has a scheme that is not used here" };
  if (authority.includes("@")) return { defect: "has a user name or password" };
  if (query !== undefined) return { defect: "has a query" };
  if (fragment !== undefined) return { defect: "has a fragment" };
  // Not URL.parse, which Node 20 lacks.
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.hostname === "") return { defect: "is not a URL of the form scheme://host/path" };
  if (refusedPorts.has(Number(url.port || Number.NaN))) return { defect: "has a port that HTTP clients refuse" };
  return { base: url.href.replace(/\/+$/u, "") };
}

/** The schemes of the message plane that a device of version 1 speaks. */
export const messageSchemes = ["http", "https"] as const;

/** "Bad ports" of the Fetch standard, and 0: `fetch` never connects to them, whatever listens there. */
export const refusedPorts: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080,
]);
