// Pages for tests: the package as it is built, served to a real headless browser.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";
import { launchFirefox } from "./firefox.mjs";
import { publishFeed as publishAnyFeed, startGateway as startAnyGateway, startProxy as startAnyProxy } from "../gateway.mjs";

const DIST = new URL("../../dist/", import.meta.url);
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm", ".map": "application/json" };
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Everything that tests have started, so that one that fails leaves nothing running. */
const started = [];

/** How a test begins that this browser can't run. */
export const onlyChromium =
  process.env.BROWSER === "firefox" ? { skip: "needs what only the developer tools of Chromium do" } : {};

/** The browser that `BROWSER` names, `chromium` or `firefox`. */
export function launch(options) {
  const launched = process.env.BROWSER === "firefox" ? launchFirefox() : launchChromium(options);
  started.push(async () => (await launched).close());
  return launched;
}

/** Chromium as Debian installs it; `CHROMIUM` names another. */
function launchChromium({ args = [], ...options } = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: [...FLAGS, ...args], ...options });
}

/** A gateway that pages of any origin may connect to. */
export async function startGateway({ env = {}, ...options } = {}) {
  const gateway = await startAnyGateway({ env: { OUTPOUR_ALLOWED_ORIGINS: "*", ...env }, ...options });
  started.push(() => gateway.kill());
  return gateway;
}

/** A gateway that admits who has one of these tokens. */
export async function startGuarded(tokens) {
  const folder = await mkdtemp(join(tmpdir(), "outpour-tokens-"));
  const file = join(folder, "gateway.toml");
  const entries = tokens.map(({ token, principal, expires }) =>
    ["[[auth.token]]", `token = "${token}"`, `principal = "${principal}"`, expires && `expires = ${expires}`, ""].join("\n"),
  );
  await writeFile(file, `[auth]\nrequired = true\n\n${entries.join("\n")}`);
  const gateway = await startGateway({ args: ["--config", file] });
  await rm(folder, { recursive: true });
  return gateway;
}

/** Feeds a gateway with a recording; gives what ends it. */
export function publishFeed(url, name, rate) {
  const end = publishAnyFeed(url, name, rate);
  started.push(end);
  return end;
}

/** A proxy before a gateway. */
export async function startProxy(target) {
  const proxy = await startAnyProxy(target);
  started.push(() => proxy.end());
  return proxy;
}

/** Ends what was started here. */
export async function endAll() {
  await Promise.allSettled(started.splice(0).map((end) => end()));
}

/** A web server for empty pages, `/`, and the package, `/outpour/…`. */
export async function startSite({ policy, missing = [] } = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = pathname.startsWith("/outpour/") ? pathname.slice("/outpour/".length) : undefined;
    try {
      if (file === undefined) {
        const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
        const headers = { "content-type": type };
        if (policy !== undefined) headers["content-security-policy"] = policy;
        const body = pathname.endsWith(".js")
          ? WORKER
          : `<!doctype html><title>${pathname}</title><link rel="icon" href="data:,">`;
        return response.writeHead(200, headers).end(body);
      }
      if (missing.includes(file)) return response.writeHead(404).end();
      response
        .writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" })
        .end(await readFile(new URL(file, DIST)));
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  started.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}/` };
}

/** A worker that follows what it is told to, and tells the sum of the values. */
const WORKER = `
  import { connect } from "/outpour/index.js";
  onmessage = async ({ data: [url, selector, count] }) => {
    const session = connect(url);
    let sum = 0;
    for await (const { value } of session.subscribe(selector)) {
      sum += value;
      if (--count === 0) break;
    }
    await session.close();
    postMessage(sum);
  };
`;

/**
 * A page with the package in it, as \`outpour\`, and what happened to it: \`faults\` are errors nobody caught.
 */
export async function openPage(browser, site, { context, path = "" } = {}) {
  const page = await (context ?? (await browser.newContext())).newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.setDefaultTimeout(20_000);
  await load(page, site.url + path);
  return { page, faults, end: () => (context === undefined ? page.context().close() : page.close()) };
}

/** Goes to a page and imports the package. */
export async function load(page, url) {
  await page.goto(url);
  await importPackage(page);
}

export async function importPackage(page) {
  await page.evaluate(async () => {
    globalThis.outpour = await import("/outpour/index.js");
    /** Begins the page's session, and holds what it is told. */
    globalThis.begin = (url, options = {}) => {
      globalThis.session = outpour.connect(url, { backoff: { baseMs: 20, capMs: 200 }, ...options });
      globalThis.resumed = [];
      globalThis.states = [];
      session.onResumed((resumption) => resumed.push(resumption));
      session.onConnection(({ state }) => states.push(state));
    };
    globalThis.follow = (selector, options) => {
      globalThis.told = [];
      globalThis.following = session.subscribe(selector, options, (updates) => {
        for (const { path, kind, value } of updates) told.push([path, kind, value]);
      });
    };
    /** Waits until something holds: looks anew whenever the session says something. */
    globalThis.until = (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds()) return setTimeout(look, 10);
          resolve();
        };
        look();
      });
    /** Waits until a store has something in it. */
    globalThis.stored = (name) =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("outpour", 1);
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const look = () => {
            const asked = opening.result.transaction("stores").objectStore("stores").get(name);
            asked.onerror = () => reject(asked.error);
            asked.onsuccess = () => (asked.result === undefined ? setTimeout(look, 20) : resolve(opening.result.close()));
          };
          look();
        };
      });
    globalThis.values = (selector = "**") =>
      Object.fromEntries(session.replicas(selector).map(({ path, value }) => [path, value]));
  });
}

/** The values that a session holds, by path. */
export async function fetchValues(session, selector) {
  const { items } = await session.fetch(selector, { limit: 100_000 });
  return Object.fromEntries(items.map(({ path, value }) => [path, value]));
}
