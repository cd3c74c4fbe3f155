// Tabs that share a connection, in Chromium.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "outpour";
import { endAll, launch, onlyChromium, openPage, startGateway, startProxy, startSite } from "./browser.mjs";

const SHARED = "/outpour/shared-worker.js";

let browser, site, gateway, publisher;
before(async () => {
  [browser, site, gateway] = await Promise.all([launch(), startSite(), startGateway()]);
  publisher = connect(gateway.url);
});
after(async () => {
  await publisher?.close();
  await endAll();
});

/** Begins a session in a page, and follows a selector. */
const join = (page, url, selector, options = {}) =>
  page.evaluate(
    async ([url, selector, options]) => {
      begin(url, options);
      follow(selector);
      await session.ready;
      await following.ready;
    },
    [url, selector, { shared: SHARED, ...options }],
  );

const holds = (page, path, value) =>
  page.waitForFunction(([path, value]) => session.replica(path)?.value === value, [path, value]);

/** Tabs of one browser, before a proxy that counts connections. */
async function openTabs(count, use = () => {}) {
  const proxy = await startProxy(gateway.url);
  const context = await browser.newContext();
  await use(context);
  const tabs = [];
  for (let n = 0; n < count; n++) tabs.push(await openPage(browser, site, { context }));
  const pages = tabs.map(({ page }) => page);
  const end = async () => {
    assert.deepEqual(
      tabs.flatMap(({ faults }) => faults),
      [],
    );
    await context.close();
    await proxy.end();
  };
  return { proxy, context, pages, end };
}

test("two tabs share one connection, and each is answered what it published", async () => {
  const { proxy, pages, end } = await openTabs(2);
  await Promise.all(pages.map((page) => join(page, proxy.url, "two/*")));
  assert.deepEqual(await Promise.all(pages.map((page) => page.evaluate(() => session.shared))), [true, true]);
  const versions = await Promise.all(
    pages.map((page, n) =>
      page.evaluate(async (n) => {
        const told = [];
        for (let i = 0; i < 50; i++) told.push((await session.set(`two/${n}`, i)).version);
        const refused = await session.set(`two/${n}`, 0, { ifVersion: "1" }).catch((error) => error.reason);
        return { told, refused, got: (await session.get(`two/${n}`)).version };
      }, n),
    ),
  );
  for (const { told, refused, got } of versions) {
    assert.equal(new Set(told).size, 50);
    assert.equal(told.at(-1), got);
    assert.equal(refused, "version-mismatch");
  }
  for (const page of pages) {
    await holds(page, "two/0", 49);
    await holds(page, "two/1", 49);
    assert.deepEqual(await page.evaluate(() => values("two/*")), { "two/0": 49, "two/1": 49 });
    assert.equal(await page.evaluate(() => told.filter(([path]) => path === "two/0").at(-1)[2]), 49);
  }
  assert.equal(proxy.accepted, 1);
  await end();
});

test("a tab that comes later is told what the other holds without a snapshot on the wire", async () => {
  await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.set(`later/${n}`, "z".repeat(500) + n)));
  const {
    proxy,
    pages: [first, second],
    end,
  } = await openTabs(2);
  await join(first, proxy.url, "later/*");
  const received = (page) =>
    page.evaluate(async () => {
      const before = session.statistics().messagesReceived;
      await session.get("later/0");
      await until(() => session.statistics().messagesReceived > before);
      return session.statistics();
    });
  const before = await received(first);
  await join(second, proxy.url, "later/*");
  assert.equal(await second.evaluate(() => session.replicas("later/*").length), 100);
  assert.equal(await second.evaluate(() => told.length), 100);
  const after = await received(second);
  assert.equal(after.snapshots, before.snapshots);
  assert.ok(
    after.bytesReceived - before.bytesReceived < 3000,
    `${after.bytesReceived - before.bytesReceived} bytes for 50,000`,
  );
  assert.equal(proxy.accepted, 1);
  await end();
});

test(
  "a tab is closed, another crashes, and the third goes on; with the last one the connection ends",
  onlyChromium,
  async () => {
    const {
      proxy,
      context,
      pages: [closed, crashed, last],
      end,
    } = await openTabs(3);
    for (const page of [closed, crashed, last]) await join(page, proxy.url, "leaving/*");
    await closed.close();
    const crash = new Promise((resolve) => crashed.once("crash", resolve));
    const devtools = await context.newCDPSession(crashed);
    devtools.send("Page.crash").catch(() => {});
    await crash;
    await publisher.set("leaving/a", 1);
    await holds(last, "leaving/a", 1);
    assert.equal(await last.evaluate(async () => (await session.set("leaving/b", 2)).version !== ""), true);
    assert.equal(proxy.accepted, 1);
    const over = proxy.idle();
    await last.evaluate(() => session.close());
    await over;
    await end();
  },
);

test("a network that is cut is taken up by both tabs over one connection", async () => {
  const { proxy, pages, end } = await openTabs(2);
  await Promise.all(pages.map((page) => join(page, proxy.url, "cut/*")));
  await publisher.set("cut/a", 1);
  for (const page of pages) await holds(page, "cut/a", 1);
  proxy.close();
  for (const page of pages)
    await page.waitForFunction(() => session.connection.state !== "connected" && session.replica("cut/a").stale);
  await publisher.set("cut/a", 2);
  const waiting = pages[0].evaluate(async () => (await session.set("cut/b", 3)).version);
  const before = proxy.accepted;
  proxy.open();
  for (const page of pages) {
    await holds(page, "cut/a", 2);
    await holds(page, "cut/b", 3);
    await page.waitForFunction(() => resumed.length === 1 && !session.replica("cut/a").stale);
    assert.equal(await page.evaluate(() => session.connection.state), "connected");
  }
  assert.match(await waiting, /^\d+$/);
  assert.ok(proxy.accepted > before);
  assert.equal(proxy.connections, 1);
  await end();
});

test("update streams, conditions and publishes that wait for room work as in a session of one's own", async () => {
  const {
    proxy,
    pages: [page],
    end,
  } = await openTabs(1);
  await join(page, proxy.url, "stream/*", { queue: { maxCount: 5, whenFull: "wait" } });
  const told = await page.evaluate(async () => {
    const stream = session.updateStream("stream/a");
    const text = "s".repeat(5000);
    for (let n = 0; n < 20; n++) await stream.set(text + n);
    stream.close();
    const many = await Promise.all(Array.from({ length: 50 }, (_, n) => session.set(`stream/${n}`, n)));
    const aborted = await session.get("stream/a", { signal: AbortSignal.abort("no more") }).catch((reason) => reason);
    const refused = session.subscribe("a//b");
    const { reason } = await refused.closed;
    const closed = session.subscribe("stream/*");
    closed.close();
    const events = [];
    await session.append("stream/events", 1);
    for await (const { value } of session.subscribe("stream/events", { from: "all" })) {
      events.push(value);
      if (value === 3) break;
      await session.append("stream/events", value + 1);
    }
    return { versions: new Set(many.map(({ version }) => version)).size, aborted, reason, why: await closed.closed, events };
  });
  assert.deepEqual(told, { versions: 50, aborted: "no more", reason: "bad-selector", why: undefined, events: [1, 2, 3] });
  await page.waitForFunction(
    () => session.replicas("stream/*").length === 52 && session.replica("stream/a").value.endsWith("s19"),
  );
  assert.deepEqual(await page.evaluate(() => session.replicas("*/a").map(({ path }) => path)), ["stream/a"]);
  await end();
});

test("credentials that are not taken end the sessions of all tabs, and nobody else's", async () => {
  const tokens = new URL("tokens.toml", import.meta.url).pathname;
  const guarded = await startGateway({ args: ["--config", tokens] });
  const { pages, end } = await openTabs(2);
  const ends = pages.map((page) =>
    page.evaluate(
      async ([url, shared]) => {
        begin(url, { shared, credentials: "nobody's token" });
        const waiting = session.set("a", 1).catch((error) => error.reason);
        return { reason: (await session.closed).reason, waiting: await waiting, state: session.connection.state };
      },
      [guarded.url, SHARED],
    ),
  );
  for (const told of await Promise.all(ends))
    assert.deepEqual(told, { reason: "unauthenticated", waiting: "unauthenticated", state: "closed" });
  await join(pages[0], guarded.url, "mine/**", { credentials: "a token of anna's" });
  assert.equal(await pages[0].evaluate(() => session.shared), true);
  await end();
});

test("a page loads what it needs: no module if it shares, no worker if it does not", async () => {
  const {
    proxy,
    pages: [own, sharing],
    end,
  } = await openTabs(2);
  const asked = { own: [], sharing: [] };
  const note = (page, paths) =>
    page.on("request", (request) => {
      const { pathname } = new URL(request.url());
      // To some browsers, a WebSocket is a request.
      if (pathname !== "/") paths.push(pathname);
    });
  note(own, asked.own);
  note(sharing, asked.sharing);
  await join(own, proxy.url, "loads/*", { shared: undefined });
  await join(sharing, proxy.url, "loads/*");
  assert.deepEqual(asked.own, ["/outpour/outpour.wasm"]);
  assert.ok(!asked.sharing.includes("/outpour/outpour.wasm"));
  await end();
});

test("other credentials never share, and the same ones do", async () => {
  const tokens = new URL("tokens.toml", import.meta.url).pathname;
  const guarded = await startGateway({ args: ["--config", tokens] });
  const proxy = await startProxy(guarded.url);
  const {
    pages: [anna, again, ben],
    end,
  } = await openTabs(3);
  await join(anna, proxy.url, "mine/**", { credentials: "a token of anna's" });
  await join(again, proxy.url, "mine/**", { credentials: "a token of anna's" });
  assert.equal(proxy.accepted, 1);
  await join(ben, proxy.url, "mine/**", { credentials: "a token of ben's" });
  assert.equal(proxy.accepted, 2);
  const principals = await Promise.all([anna, again, ben].map((page) => page.evaluate(() => session.principal)));
  assert.deepEqual(principals, ["anna", "anna", "ben"]);
  const refused = await ben.evaluate((url) => {
    try {
      outpour.connect(url, { shared: "/outpour/shared-worker.js", credentials: async () => "" });
    } catch (error) {
      return error.reason;
    }
  }, proxy.url);
  assert.equal(refused, "bad-options");
  await end();
});

test("credentials are asked of a tab that lives", async () => {
  const tokens = new URL("tokens.toml", import.meta.url).pathname;
  const guarded = await startGateway({ args: ["--config", tokens] });
  const {
    pages: [silent, other],
    end,
  } = await openTabs(2);
  const begun = (page, answers) =>
    page.evaluate(
      async ([url, shared, answers]) => {
        globalThis.asked = 0;
        const credentials = () => {
          asked++;
          return answers ? "a token of anna's" : new Promise(() => {});
        };
        begin(url, { shared, credentials, sharedAs: "anna" });
        if (answers) await session.ready;
        else await until(() => asked === 1);
      },
      [guarded.url, SHARED, answers],
    );
  await begun(silent, false);
  const ready = begun(other, true);
  await other.waitForFunction(() => globalThis.session !== undefined);
  await silent.close();
  await ready;
  assert.equal(await other.evaluate(() => session.principal), "anna");
  await end();
});

test("without a SharedWorker every tab has its own connection, and says so", async () => {
  const { proxy, pages, end } = await openTabs(2, (context) => context.addInitScript(() => delete globalThis.SharedWorker));
  await Promise.all(pages.map((page) => join(page, proxy.url, "own/*")));
  await publisher.set("own/a", 1);
  for (const page of pages) {
    await holds(page, "own/a", 1);
    assert.equal(await page.evaluate(() => session.shared), false);
  }
  assert.equal(proxy.accepted, 2);
  await end();
});

test("a worker that can't start leaves the tab with its own connection", async () => {
  const policed = await startSite({ policy: "script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'; connect-src *" });
  const moduleless = await startSite({ missing: ["shared-worker.js"] });
  for (const at of [policed, moduleless]) {
    const { page, faults, end } = await openPage(browser, at);
    await join(page, gateway.url, "fallback/*");
    await page.evaluate(() => session.set("fallback/a", 1));
    await holds(page, "fallback/a", 1);
    assert.equal(await page.evaluate(() => session.shared), false);
    await page.evaluate(() => session.close());
    assert.deepEqual(faults, []);
    await end();
  }
});
