import type { BuildOptions } from "esbuild";

/** How a command-line program is built: everything in it, for whichever Node runs it. */
export const programOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  mainFields: ["module", "main"],
  // What is bundled as CommonJS requires what Node brings.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  minify: true,
  logLevel: "warning",
  metafile: true,
} as const satisfies BuildOptions;
