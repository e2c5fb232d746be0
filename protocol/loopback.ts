const localhostName = /^(?:.+\.)?localhost\.?$/iu;
const loopbackAddress = /^(?:127(?:\.\d{1,3}){3}|\[::1\])$/u;

/** RFC 6761 §6.3: `localhost` and every name under it are this machine, whatever a resolver says. */
export function isLocalhostName(hostname: string): boolean {
  return localhostName.test(hostname);
}

/** RFC 1122 §3.2.1.3 and RFC 4291 §2.5.3. @param hostname as WHATWG URL writes it: IPv6 in brackets */
export function isLoopbackAddress(hostname: string): boolean {
  return loopbackAddress.test(hostname);
}

export function isLoopback(hostname: string): boolean {
  return isLocalhostName(hostname) || isLoopbackAddress(hostname);
}
