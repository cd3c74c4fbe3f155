// The tarball, installed as people install it, in projects as people have them.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { open, startGateway, startProxy } from "../gateway.mjs";

const run = promisify(execFile);
const HERE = fileURLToPath(new URL(".", import.meta.url));
const BUILD = join(HERE, "build");
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html", ".css": "text/css" };

let gateway, browser, server, site;
before(async () => {
  await rm(BUILD, { recursive: true, force: true });
  await mkdir(BUILD);
  gateway = await startGateway({ env: { OUTPOUR_ALLOWED_ORIGINS: "*" } });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
  server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    try {
      const body = await readFile(join(HERE, pathname));
      response.writeHead(200, { "content-type": TYPES[extname(pathname)] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  site = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  await Promise.allSettled([browser?.close(), gateway?.kill()]);
  server?.closeAllConnections();
  server?.close();
});

/** What a page says it has done, and what went wrong in it. */
async function titleOf(path) {
  const page = await browser.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("requestfailed", (request) => faults.push(`${request.url()}: ${request.failure()?.errorText}`));
  await page.goto(`${site}/${path}?gateway=${encodeURIComponent(gateway.url)}`);
  await page.waitForFunction(() => document.title !== "waiting", undefined, { timeout: 20_000 });
  const title = await page.title();
  assert.deepEqual(faults, []);
  await page.close();
  return title;
}

async function modulesIn(folder) {
  return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".wasm"));
}

test("Vite: one module, for a page and its worker", async () => {
  const { build } = await import("vite");
  const outDir = join(BUILD, "vite");
  await build({
    root: join(HERE, "app"),
    base: "./",
    logLevel: "warn",
    configFile: false,
    worker: { format: "es" },
    build: { outDir, target: "es2022" },
  });
  assert.equal((await modulesIn(outDir)).length, 1);
  assert.equal(await titleOf("build/vite/index.html"), "done: the page");
});

test("webpack: one module, for a page and its worker", async () => {
  const { default: webpack } = await import("webpack");
  const path = join(BUILD, "webpack");
  const stats = await promisify(webpack)({
    mode: "production",
    context: HERE,
    entry: "./app/main.js",
    output: { path, filename: "main.js" },
    performance: false,
  });
  assert.equal(stats.hasErrors(), false, stats.toString("errors-only"));
  await cp(join(HERE, "app/index.html"), join(path, "index.html"));
  assert.equal((await modulesIn(path)).length, 1);
  assert.equal(await titleOf("build/webpack/index.html"), "done: the page");
});

test("esbuild: with the module copied beside the bundle", async () => {
  const { build } = await import("esbuild");
  const outdir = join(BUILD, "esbuild");
  const entryPoints = [join(HERE, "app/main.js"), join(HERE, "app/worker.js")];
  await build({ entryPoints, outdir, bundle: true, format: "esm", target: "es2022", logLevel: "warning" });
  await cp(fileURLToPath(import.meta.resolve("outpour/outpour.wasm")), join(outdir, "outpour.wasm"));
  await cp(join(HERE, "app/index.html"), join(outdir, "index.html"));
  assert.equal(await titleOf("build/esbuild/index.html"), "done: the page");
});

test("esbuild: in one file, from `outpour/inline`", async () => {
  const { build } = await import("esbuild");
  const outdir = join(BUILD, "inline");
  const contents = (await readFile(join(HERE, "app/main.js"), "utf8"))
    .replace('"outpour"', '"outpour/inline"')
    .replace(/const worker[^]*$/, "document.title = `done: ${(await session.get('packaging/app')).value.from}`;");
  const stdin = { contents, resolveDir: join(HERE, "app") };
  await build({
    stdin,
    outfile: join(outdir, "main.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  await cp(join(HERE, "app/index.html"), join(outdir, "index.html"));
  assert.equal(await titleOf("build/inline/index.html"), "done: the page");
});

test("Vite: a worker that tabs share", async () => {
  const { build } = await import("vite");
  const outDir = join(BUILD, "vite-shared");
  const rollupOptions = { input: join(HERE, "app/shared.html") };
  await build({
    root: join(HERE, "app"),
    base: "./",
    logLevel: "warn",
    configFile: false,
    worker: { format: "es" },
    build: { outDir, target: "es2022", rollupOptions },
  });
  assert.equal((await modulesIn(outDir)).length, 1);
  assert.equal(await titleOf("build/vite-shared/shared.html"), "done: a shared worker");
});

test("webpack: a worker that tabs share", async () => {
  const { default: webpack } = await import("webpack");
  const path = join(BUILD, "webpack-shared");
  const stats = await promisify(webpack)({
    mode: "production",
    context: HERE,
    entry: "./app/shared.js",
    output: { path, filename: "shared.js" },
    performance: false,
  });
  assert.equal(stats.hasErrors(), false, stats.toString("errors-only"));
  await cp(join(HERE, "app/shared.html"), join(path, "shared.html"));
  assert.equal((await modulesIn(path)).length, 1);
  assert.equal(await titleOf("build/webpack-shared/shared.html"), "done: a shared worker");
});

test("esbuild: a worker that tabs share, copied beside the bundle", async () => {
  const { build } = await import("esbuild");
  const outdir = join(BUILD, "esbuild-shared");
  const contents = (await readFile(join(HERE, "app/shared.js"), "utf8")).replace(
    '"outpour/shared-worker"',
    '"./shared-worker.js"',
  );
  const stdin = { contents, resolveDir: join(HERE, "app") };
  await build({
    stdin,
    outfile: join(outdir, "shared.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  for (const file of ["outpour.wasm", "shared-worker"]) {
    const found = fileURLToPath(import.meta.resolve(`outpour/${file}`));
    await cp(found, join(outdir, basename(found)));
  }
  await cp(join(HERE, "app/shared.html"), join(outdir, "shared.html"));
  assert.equal(await titleOf("build/esbuild-shared/shared.html"), "done: a shared worker");
});

test("components of React that show the same have one subscription", async () => {
  const { build } = await import("esbuild");
  const outdir = join(BUILD, "components");
  const define = { "process.env.NODE_ENV": '"production"' };
  await build({
    entryPoints: [join(HERE, "app/components.js")],
    outdir,
    define,
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  await cp(join(HERE, "app/components.html"), join(outdir, "components.html"));
  assert.equal(await titleOf("build/components/components.html"), "done: [[false],[false],[true]]");
});

for (const name of ["vanilla", "react"]) {
  test(`the example for the web: ${name}`, async () => {
    const { build } = await import("vite");
    await cp(fileURLToPath(new URL("../../../../examples/web/", import.meta.url)), join(BUILD, "examples"), {
      recursive: true,
      filter: (path) => !path.includes("node_modules"),
    });
    const [root, outDir] = [join(BUILD, "examples", name), join(BUILD, "examples", `${name}-built`)];
    await build({ root, base: "./", logLevel: "warn", build: { outDir, emptyOutDir: true, target: "es2022" } });
    const page = await browser.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(`${site}/build/examples/${name}-built/index.html?gateway=${encodeURIComponent(gateway.url)}`);
    await page.getByRole("status").filter({ hasText: "connected" }).waitFor();
    await page.getByRole("button").click();
    const price = page.getByRole("row", { name: "prices/eurusd" }).getByRole("cell").nth(1);
    await price.waitFor();
    const before = await price.textContent();
    assert.match(before, /^1\.08/);
    await page.getByRole("button").click();
    await page.waitForFunction((text) => document.querySelector("tr").cells[1].textContent !== text, before);
    assert.deepEqual(faults, []);
    await page.close();
  });
}

test("a script without a bundler", async () => {
  assert.equal(await titleOf("app/plain.html"), "done: 1");
});

test("Node: `import`, and `import()` from CommonJS", async () => {
  for (const [file, told] of [
    ["node.mjs", "1\n"],
    ["node.cjs", "2\n"],
  ]) {
    const { stdout } = await run(process.execPath, [join(HERE, "app", file), gateway.url], { timeout: 30_000 });
    assert.equal(stdout, told, file);
  }
});

const BIN = join(HERE, "node_modules/.bin");
for (const [name, ...command] of [
  ["Node", process.execPath],
  ["Deno", join(BIN, "deno"), "run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-read=."],
  ["Bun", join(BIN, "bun")],
]) {
  test(`a program goes on after a lost connection: ${name}`, async (t) => {
    const proxy = await startProxy(gateway.url);
    t.after(() => proxy.end());
    const publisher = open(t, gateway.url);
    const path = `packaging/${name}`;
    const [program, ...options] = command;
    const child = spawn(program, [...options, join(HERE, "app/runtime.mjs"), proxy.url, path], {
      cwd: HERE,
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill());
    const told = [];
    for await (const line of createInterface({ input: child.stdout })) {
      // Every attempt that the proxy refuses is told of.
      if (line === "disconnected" && told.at(-1) === line) continue;
      told.push(line);
      if (line === "value 1") proxy.close();
      if (line !== "disconnected") continue;
      await publisher.set(path, { n: 2 });
      proxy.open();
    }
    assert.deepEqual(told, ["set true", "refused already-exists", "value 1", "disconnected", "value 2", "closed undefined"]);
  });
}

test("React renders on a server", async () => {
  const { stdout } = await run(process.execPath, [join(HERE, "app/render.mjs")], { timeout: 30_000 });
  assert.equal(stdout, '<p class="connecting">none yet</p>\n');
});

test("importing it does nothing", async () => {
  const script =
    "const before = Object.keys(globalThis).length; await import('outpour'); await import('outpour/slim'); await import('outpour/inline'); await import('outpour/react'); console.log(Object.keys(globalThis).length - before)";
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: HERE, timeout: 30_000 });
  assert.equal(stdout, "0\n");
});

test("the types are right to a strict compiler, whichever way modules are found", async () => {
  for (const [module, moduleResolution] of [
    ["esnext", "bundler"],
    ["nodenext", "nodenext"],
  ]) {
    const project = join(BUILD, `tsconfig.${moduleResolution}.json`);
    const lib = ["es2022", "esnext.disposable", "dom", "dom.iterable"];
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: "es2022",
      lib,
      module,
      moduleResolution,
      jsx: "react-jsx",
      types: ["react"],
      exactOptionalPropertyTypes: true,
    };
    await writeFile(project, JSON.stringify({ compilerOptions, files: ["../app/types.tsx"] }));
    const tsc = join(HERE, "node_modules/.bin/tsc");
    await run(tsc, ["--project", project], { cwd: HERE }).catch(({ stdout }) =>
      assert.fail(`${moduleResolution}: ${stdout}`),
    );
  }
});
