import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompress, constants, gzip } from "node:zlib";
import { promisify } from "node:util";
import { defineConfig, type Plugin } from "vite";

/** Files worth compressing; the gateway serves what lies beside them as `.br` and `.gz`. */
const COMPRESSIBLE = /\.(html|js|css|svg|wasm|json)$/;

function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => {
      folder = config.build.outDir;
    },
    closeBundle: async () => {
      const files = await readdir(folder, { recursive: true, withFileTypes: true });
      const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
      await Promise.all(paths.filter((path) => COMPRESSIBLE.test(path)).map(compress));
    },
  };
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path);
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  const [br, gz] = await Promise.all([promisify(brotliCompress)(bytes, brotli), promisify(gzip)(bytes, { level: 9 })]);
  await Promise.all([writeFile(`${path}.br`, br), writeFile(`${path}.gz`, gz)]);
}

export default defineConfig({
  base: "./",
  plugins: [compressed()],
  build: {
    // Cargo watches `dist`; what is in `dist/site` is put into the program (cli/build.rs).
    outDir: "dist/site",
    emptyOutDir: true,
    target: "es2023",
    // Nothing may be loaded that the gateway does not serve: no data: URL for scripts, and one wasm file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
