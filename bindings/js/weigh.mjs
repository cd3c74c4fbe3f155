// What a page downloads: `npm run weigh` prints the table of the README and fails above the budget. Beside it stand the
// packages of others that are in `rivals`, as they lie on npm (`npm ci --prefix rivals`).
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The budget of the default entry, in KiB: what is reached. The goal is 60 and 50. */
const BUDGET = { gzip: 65, brotli: 57 };

const KIB = 1024;
const dist = new URL("dist/", import.meta.url);

const weighFiles = (files) => weigh(files.map((file) => readFileSync(file)));

function weigh(contents) {
  const sum = (size) => contents.reduce((total, content) => total + size(content), 0);
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  return {
    raw: sum((content) => content.length),
    gzip: sum((content) => gzipSync(content, { level: 9 }).length),
    brotli: sum((content) => brotliCompressSync(content, best).length),
  };
}

function row(name, { raw, gzip, brotli }) {
  const kib = (bytes) => (bytes / KIB).toFixed(1).padStart(8);
  console.log(`| ${name.padEnd(44)} | ${kib(raw)} | ${kib(gzip)} | ${kib(brotli)} |`);
}

/** A script and those that it imports. */
function scripts(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  const text = readFileSync(new URL(name, dist), "utf8");
  for (const [, imported] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) scripts(imported, found);
  return found;
}

const of = (...names) => names.map((name) => new URL(name, dist));
/** What a page loads only if it shares a connection. */
const [, sharing] = /import\("\.\/([^"]+\.js)"\)/.exec(
  [...scripts("index.js")].map((name) => readFileSync(new URL(name, dist), "utf8")).join("\n"),
);
const whole = weighFiles(of(...scripts("index.js"), "outpour.wasm"));
console.log(`| ${"KiB".padEnd(44)} | ${"raw".padStart(8)} | ${"gzip".padStart(8)} | ${"brotli".padStart(8)} |`);
console.log(`|${"-".repeat(46)}|---------:|---------:|---------:|`);
row("outpour (module and API)", whole);
row("  of which the module", weighFiles(of("outpour.wasm")));
row("sharing between tabs, beside that, when used", weighFiles(of(sharing)));
row("outpour/shared-worker, in the worker", weighFiles(of("shared-worker.js")));
row("outpour/react, beside that", weighFiles(of("react.js")));

/** What a page that does nothing but connect imports from others. */
const RIVALS = {
  ably: 'import { Realtime } from "ably"; globalThis.session = new Realtime({ authUrl: "/token" });',
  centrifuge: 'import { Centrifuge } from "centrifuge"; globalThis.session = new Centrifuge("wss://example.org");',
  "socket.io-client": 'import { io } from "socket.io-client"; globalThis.session = io("wss://example.org");',
};
const rivals = new URL("rivals/", import.meta.url);
const rival = (path) => readFileSync(new URL(`node_modules/${path}`, rivals));
const named = (name) => `${name} ${JSON.parse(rival(`${name}/package.json`)).version}`;

/** Bundled and minified as a page would load it. */
async function bundle(contents) {
  const stdin = { contents, resolveDir: rivals.pathname };
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none", write: false };
  const { outputFiles } = await build({ stdin, ...options });
  return outputFiles.map((file) => Buffer.from(file.contents));
}

for (const [name, page] of Object.entries(RIVALS)) row(named(name), weigh(await bundle(page)));
// It asks for modules of Node's when it is bundled for a page: its own bundles are what pages load.
row(`${named("diffusion")} (its own bundle)`, weigh([rival("diffusion/dist/diffusion.js")]));
row("  of which its core, which only subscribes", weigh([rival("diffusion/dist/modular/diffusion-core.js")]));

const { gzip, brotli } = whole;
if (gzip > BUDGET.gzip * KIB || brotli > BUDGET.brotli * KIB) {
  console.error(`The default entry is above its budget of ${BUDGET.gzip} KiB gzip and ${BUDGET.brotli} KiB brotli.`);
  process.exitCode = 1;
}
