// Bundles the entries of the package into dist/. The WebAssembly module is in src/wasm by then (`cargo xtask wasm`).
import { copyFile, rm } from "node:fs/promises";
import { build } from "esbuild";

const shared = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  legalComments: "none",
  outdir: "dist",
};

await rm(new URL("dist", import.meta.url), { recursive: true, force: true });
// One chunk for what the entries have in common: a page that uses two of them has one session class, and one module.
await build({
  ...shared,
  entryPoints: ["src/index.ts", "src/slim.ts", "src/react.ts", "src/inline.ts"],
  splitting: true,
  chunkNames: "outpour-[hash]",
  external: ["react"],
  platform: "neutral",
  loader: { ".wasm": "binary" },
});
// A worker is one file: it is started by whatever address it has.
await build({ ...shared, entryPoints: ["src/shared-worker.ts"], platform: "neutral" });
await build({ ...shared, entryPoints: ["src/node.ts"], platform: "node", external: ["ws"], minify: false });
await copyFile(new URL("src/wasm/outpour.wasm", import.meta.url), new URL("dist/outpour.wasm", import.meta.url));
