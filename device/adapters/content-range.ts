/**
 * Where in the whole a body starts (RFC 9110 §14.1, §14.4; the unit in any case). A server that ignores Range sends the whole.
 * @param contentRange empty where there is none
 */
export function firstByte(status: number, contentRange: string): number {
  const range = /^bytes\s+(\d{1,15})-/i.exec(contentRange);
  return status === 206 ? Number(range?.[1] ?? Infinity) : 0;
}
