// Performs the steps of scenarios with the npm package, in a page in Chromium.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { answerLines } from "./lines.mjs";

const PACKAGE = new URL("../../../../bindings/js/", import.meta.url);
const { chromium } = createRequire(PACKAGE)("playwright-core");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

const PAGE = `<!doctype html>
<title>Conformance</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as outpour from "/outpour/index.js";
  import { Performer } from "/performer.mjs";
  // The page's own store, by name.
  globalThis.performer = new Performer(outpour, (path) => path);
</script>`;

/** The page, what performs, and the package. */
async function answer({ url }, response) {
  const { pathname } = new URL(url, "http://localhost");
  const file = pathname.startsWith("/outpour/")
    ? new URL(`dist/${pathname.slice("/outpour/".length)}`, PACKAGE)
    : new URL("performer.mjs", import.meta.url);
  const type = pathname === "/" ? "text/html" : pathname.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  const body = pathname === "/" ? PAGE : await readFile(file).catch(() => undefined);
  response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
}

const site = createServer(answer);
site.listen(0, "127.0.0.1");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const [browser] = await Promise.all([chromium.launch({ executablePath, args: FLAGS }), once(site, "listening")]);
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(`in the page: ${error.message}`));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.waitForFunction(() => globalThis.performer !== undefined);
  await answerLines((step) => page.evaluate((step) => globalThis.performer.perform(step), step));
} finally {
  await browser.close();
  site.close();
}
