// The life of a page: put to sleep, put away, reloaded, and closed, in Chromium.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "outpour";
import {
  endAll,
  importPackage,
  launch,
  load,
  onlyChromium,
  openPage,
  startGateway,
  startGuarded,
  startProxy,
  startSite,
} from "./browser.mjs";

let browser, site, gateway, publisher;
before(async () => {
  // What keeps pages out of the back/forward cache in tests is taken away.
  const options = { ignoreDefaultArgs: ["--disable-back-forward-cache"], args: ["--enable-features=BackForwardCache"] };
  [browser, site, gateway] = await Promise.all([launch(options), startSite(), startGateway()]);
  publisher = connect(gateway.url);
});
after(async () => {
  await publisher?.close();
  await endAll();
});

test("a page that is frozen says goodbye, and catches up", onlyChromium, async () => {
  await publisher.set("frozen/a", 1);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url);
    follow("frozen/*");
    return following.ready;
  }, gateway.url);
  const devtools = await page.context().newCDPSession(page);
  // Driven like this a page stays visible, and a visible page is frozen without the events that tell it so.
  await page.evaluate(() => document.dispatchEvent(new Event("freeze")));
  await page.waitForFunction(() => session.connection.state === "suspended");
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  await publisher.set("frozen/a", 2);
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await page.evaluate(() => document.dispatchEvent(new Event("resume")));
  await page.waitForFunction(() => session.replica("frozen/a")?.value === 2 && session.connection.state === "connected");
  assert.deepEqual(faults, []);
  await end();
});

test("a page comes back from the back/forward cache and goes on", onlyChromium, async () => {
  await publisher.set("cache/a", 1);
  const { page, faults, end } = await openPage(browser, site, { path: "first" });
  await page.evaluate((url) => {
    begin(url);
    follow("cache/*");
    addEventListener("pageshow", ({ persisted }) => (globalThis.persisted = persisted));
    return following.ready;
  }, gateway.url);
  await page.goto(`${site.url}second`);
  await publisher.set("cache/a", 2);
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => globalThis.persisted === true, undefined, { timeout: 10_000 });
  await page.waitForFunction(() => session.replica("cache/a")?.value === 2);
  assert.equal(await page.evaluate(() => session.connection.state), "connected");
  assert.deepEqual(faults, []);
  await end();
});

test("a page that is reloaded starts warm: before there is a connection, and with what has changed after", async () => {
  const proxy = await startProxy(gateway.url);
  await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.set(`warm/${n}`, { n, note: "y".repeat(100) })));
  const { page, faults, end } = await openPage(browser, site);
  const open = (url) => {
    begin(url, { store: "warm" });
    follow("warm/*");
  };
  await page.evaluate(open, proxy.url);
  await page.evaluate(() => following.ready);
  // What is held is written within a second, and when the page is left if the browser still lets it.
  await page.evaluate(() => stored("warm"));
  await page.reload();
  proxy.close();
  await importPackage(page);
  await page.evaluate(open, proxy.url);
  await page.waitForFunction(() => session.replicas("warm/*").length === 100);
  assert.notEqual(await page.evaluate(() => session.connection.state), "connected");
  assert.equal(await page.evaluate(() => session.replica("warm/7").stale), true);
  await publisher.set("warm/7", { n: 7, note: "changed" });
  proxy.open();
  await page.waitForFunction(() => session.replica("warm/7").value.note === "changed");
  const { bytesReceived, fullValueBytes } = await page.evaluate(() => session.statistics());
  assert.ok(bytesReceived < 600, `${bytesReceived} bytes instead of those of 100 topics`);
  assert.ok(fullValueBytes < 600);
  assert.deepEqual(faults, []);
  await end();
});

test("somebody else does not get to see what was stored", async () => {
  const tokens = new URL("tokens.toml", import.meta.url).pathname;
  const guarded = await startGateway({ args: ["--config", tokens] });
  const anna = connect(guarded.url, { credentials: "a token of anna's" });
  await anna.set("private/anna", "a secret");
  const context = await browser.newContext();
  const { page, faults } = await openPage(browser, site, { context });
  const open = ([url, credentials]) => {
    begin(url, { store: "private", credentials });
    follow("private/**");
    return following.ready;
  };
  await page.evaluate(open, [guarded.url, "a token of anna's"]);
  assert.equal(await page.evaluate(() => session.principal), "anna");
  await page.evaluate(() => session.close());
  await anna.remove("private/anna");
  await load(page, site.url);
  await page.evaluate(open, [guarded.url, "a token of ben's"]);
  assert.equal(await page.evaluate(() => session.principal), "ben");
  assert.deepEqual(await page.evaluate(() => values()), {});
  assert.deepEqual(faults, []);
  await context.close();
  await anna.close();
});

test("credentials are asked for again when the gateway does not take them any more", async () => {
  const tokens = new URL("tokens.toml", import.meta.url).pathname;
  const guarded = await startGateway({ args: ["--config", tokens] });
  const { page, faults, end } = await openPage(browser, site);
  const asked = await page.evaluate(async (url) => {
    const asked = [];
    begin(url, {
      credentials: async (expired) => {
        asked.push(expired);
        return asked.length === 1 ? "a token of ben's" : "a token of anna's";
      },
    });
    await session.ready;
    session.suspend();
    await until(() => session.connection.state === "suspended");
    session.resume();
    await until(() => session.connection.state === "connected");
    await session.close();
    return asked;
  }, guarded.url);
  assert.equal(asked[0], false);
  assert.deepEqual(faults, []);
  await end();
});

test("credentials that expire while a page is connected are asked for anew, and nothing is missed", async () => {
  const { url, kill } = await startGuarded([
    { token: "a token for a moment", principal: "anna", expires: new Date(Date.now() + 3_000).toISOString() },
    { token: "a token for good", principal: "anna" },
  ]);
  const writer = connect(url, { credentials: "a token for good" });
  await writer.set("token/a", 1);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate(async (url) => {
    globalThis.asked = [];
    begin(url, {
      credentials: async (expired) => {
        asked.push(expired);
        return expired ? "a token for good" : "a token for a moment";
      },
    });
    follow("token/*");
    await following.ready;
  }, url);
  await page.waitForFunction(() => asked.length === 2 && session.connection.state === "connected");
  await writer.set("token/a", 2);
  await page.waitForFunction(() => session.replica("token/a")?.value === 2);
  assert.deepEqual(await page.evaluate(() => asked), [false, true]);
  assert.deepEqual(await page.evaluate(() => told.map(([, , value]) => value)), [1, 2]);
  assert.deepEqual(faults, []);
  await writer.close();
  await end();
  await kill();
});

test("sessions that are closed leave nothing behind", onlyChromium, async () => {
  const { page, faults, end } = await openPage(browser, site);
  const devtools = await page.context().newCDPSession(page);
  const cycle = (count) =>
    page.evaluate(
      async ([url, count]) => {
        for (let n = 0; n < count; n++) {
          const session = outpour.connect(url);
          const subscription = session.subscribe("leak/*", () => {});
          await subscription.ready;
          await session.close();
        }
      },
      [gateway.url, count],
    );
  const held = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    const { usedSize } = await devtools.send("Runtime.getHeapUsage");
    const { jsEventListeners } = await devtools.send("Memory.getDOMCounters");
    return { usedSize, jsEventListeners };
  };
  await cycle(50);
  const before = await held();
  await cycle(300);
  const after = await held();
  assert.ok(
    after.usedSize - before.usedSize < 300 * 200,
    `the heap grew from ${before.usedSize} to ${after.usedSize} bytes`,
  );
  assert.ok(after.jsEventListeners <= before.jsEventListeners + 2, `${after.jsEventListeners} listeners`);
  assert.deepEqual(faults, []);
  await end();
});
