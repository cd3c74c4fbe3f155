// What a page downloads: `npm run weigh` prints the table of the README and fails above the budget. With `--rivals` it
// weighs the bundles of others as well, as they lie on npm.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** The budget of the default entry, in KiB: what is reached. The goal is 60 and 50. */
const BUDGET = { gzip: 65, brotli: 57 };

const KIB = 1024;
const dist = new URL("dist/", import.meta.url);

function weigh(files) {
  const contents = files.map((file) => readFileSync(file));
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
const [, sharing] = /import\("\.\/([^"]+\.js)"\)/.exec([...scripts("index.js")].map((name) => readFileSync(new URL(name, dist), "utf8")).join("\n"));
const whole = weigh(of(...scripts("index.js"), "outpour.wasm"));
console.log(`| ${"KiB".padEnd(44)} | ${"raw".padStart(8)} | ${"gzip".padStart(8)} | ${"brotli".padStart(8)} |`);
console.log(`|${"-".repeat(46)}|---------:|---------:|---------:|`);
row("outpour (module and API)", whole);
row("  of which the module", weigh(of("outpour.wasm")));
row("sharing between tabs, beside that, when used", weigh(of(sharing)));
row("outpour/shared-worker, in the worker", weigh(of("shared-worker.js")));
row("outpour/react, beside that", weigh(of("react.js")));

const { gzip, brotli } = whole;
if (gzip > BUDGET.gzip * KIB || brotli > BUDGET.brotli * KIB) {
  console.error(`The default entry is above its budget of ${BUDGET.gzip} KiB gzip and ${BUDGET.brotli} KiB brotli.`);
  process.exitCode = 1;
}
