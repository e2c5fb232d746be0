/** How long claims are made, so that their length says little: see `limits.padding`. */
export type Padding = { readonly sizes: readonly number[]; readonly step: number };

/**
 * The length that claims of `bytes` are padded to.
 * @example paddedLength(460, { sizes: [498], step: 96 }); // 498
 * @example paddedLength(500, { sizes: [498], step: 96 }); // 576
 */
export function paddedLength(bytes: number, { sizes, step }: Padding): number {
  return sizes.find((size) => bytes <= size) ?? Math.ceil(bytes / step) * step;
}
