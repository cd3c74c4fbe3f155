// The life of tabs that share a connection, in Chromium: put away, put to sleep, slow, loaded anew, and without their worker.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "outpour";
import { endAll, importPackage, launch, onlyChromium, openPage, startGateway, startProxy, startSite } from "./browser.mjs";

const SHARED = "/outpour/shared-worker.js";

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

/** Ends the worker of a browser, as browsers do that are short of memory. */
async function endWorker(browser) {
  const devtools = await browser.newBrowserCDPSession();
  const { targetInfos } = await devtools.send("Target.getTargets", { filter: [{ type: "shared_worker" }] });
  assert.ok(targetInfos.length <= 1);
  for (const { targetId } of targetInfos) await devtools.send("Target.closeTarget", { targetId });
}

test("a tab that is put to sleep leaves, and catches up when it wakes", async () => {
  const proxy = await startProxy(gateway.url);
  await publisher.set("sleep/a", 1);
  await publisher.set("sleep/b", 1);
  await publisher.append("sleep/events", "first");
  for (const name of ["quiet", "gone"]) await publisher.append(`sleep/${name}`, "only");
  const context = await browser.newContext();
  const [sleeper, other] = [
    await openPage(browser, site, { context }),
    await openPage(browser, site, { context, path: "other" }),
  ];
  await join(other.page, proxy.url, "sleep/**");
  await join(sleeper.page, proxy.url, "sleep/**");
  await publisher.append("sleep/events", "second");
  for (const name of ["quiet", "gone"]) await publisher.append(`sleep/${name}`, "another");
  await holds(sleeper.page, "sleep/gone", "another");
  await holds(sleeper.page, "sleep/events", "second");
  await sleeper.page.evaluate(() => {
    document.dispatchEvent(new Event("freeze"));
    told.length = 0;
  });
  await sleeper.page.waitForFunction(() => session.connection.state === "suspended" && session.replica("sleep/a").stale);
  await publisher.set("sleep/a", 2);
  await holds(other.page, "sleep/a", 2);
  await publisher.remove("sleep/b");
  await publisher.remove("sleep/gone");
  await publisher.append("sleep/events", "third");
  await sleeper.page.evaluate(() => document.dispatchEvent(new Event("resume")));
  await holds(sleeper.page, "sleep/a", 2);
  await sleeper.page.waitForFunction(() => resumed.length === 1);
  assert.deepEqual(await sleeper.page.evaluate(() => told.sort()), [
    ["sleep/a", "value", 2],
    ["sleep/b", "removed", undefined],
    ["sleep/events", "event", "third"],
    ["sleep/gone", "removed", undefined],
  ]);
  assert.equal(await sleeper.page.evaluate(() => session.replica("sleep/b")), undefined);
  assert.equal(await sleeper.page.evaluate(() => resumed[0].outcome), "complete");
  assert.equal(await sleeper.page.evaluate(() => session.replica("sleep/a").stale), false);
  assert.equal(proxy.accepted, 1);
  assert.deepEqual([...sleeper.faults, ...other.faults], []);
  await context.close();
});

test("past events are told in every tab, of as many topics as there are", async () => {
  const names = Array.from({ length: 100 }, (_, n) => `past/${n}`);
  await Promise.all(names.flatMap((name) => [publisher.append(name, 1), publisher.append(name, 2)]));
  const context = await browser.newContext();
  const tabs = [await openPage(browser, site, { context }), await openPage(browser, site, { context })];
  const followAll = (page) =>
    page.evaluate(
      async ([url, shared, names]) => {
        begin(url, { shared });
        globalThis.told = {};
        for (const name of names) {
          session.subscribe(name, { from: "all" }, (updates) => {
            for (const { sequence, value } of updates) (told[name] ??= []).push([sequence, value]);
          });
        }
        await until(() => Object.values(told).flat().length === 2 * names.length);
        return told;
      },
      [gateway.url, SHARED, names],
    );
  const expected = Object.fromEntries(
    names.map((name) => [
      name,
      [
        [1, 1],
        [2, 2],
      ],
    ]),
  );
  for (const told of await Promise.all(tabs.map(({ page }) => followAll(page)))) assert.deepEqual(told, expected);
  assert.deepEqual(
    tabs.flatMap(({ faults }) => faults),
    [],
  );
  await context.close();
});

test("a tab in the back/forward cache leaves the connection, and comes back to it", onlyChromium, async () => {
  const proxy = await startProxy(gateway.url);
  await publisher.set("cached/a", 1);
  const context = await browser.newContext();
  const other = await openPage(browser, site, { context, path: "other" });
  await join(other.page, proxy.url, "cached/*");
  const { page, faults } = await openPage(browser, site, { context, path: "first" });
  await join(page, proxy.url, "cached/*");
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (globalThis.persisted = persisted)));
  await page.goto(`${site.url}second`);
  await publisher.set("cached/a", 2);
  await holds(other.page, "cached/a", 2);
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => globalThis.persisted === true, undefined, { timeout: 10_000 });
  await holds(page, "cached/a", 2);
  await page.waitForFunction(() => session.connection.state === "connected");
  assert.equal(proxy.accepted, 1);
  assert.deepEqual([...faults, ...other.faults], []);
  await context.close();
});

test("a tab that is loaded anew starts warm, without the gateway", onlyChromium, async () => {
  const [proxy, own] = await Promise.all([startProxy(gateway.url), launch()]);
  await Promise.all(Array.from({ length: 50 }, (_, n) => publisher.set(`again/${n}`, n)));
  const { page, faults, end } = await openPage(own, site);
  await join(page, proxy.url, "again/*", { store: "again" });
  await page.evaluate(() => stored("again"));
  proxy.close();
  await page.goto("about:blank");
  await endWorker(own);
  await page.goto(site.url);
  await importPackage(page);
  await page.evaluate(
    ([url, shared]) => {
      begin(url, { shared, store: "again" });
      follow("again/*");
    },
    [proxy.url, SHARED],
  );
  await page.waitForFunction(() => session.replicas("again/*").length === 50);
  assert.equal(await page.evaluate(() => session.shared), true);
  assert.notEqual(await page.evaluate(() => session.connection.state), "connected");
  assert.equal(await page.evaluate(() => session.replica("again/7").stale), true);
  await publisher.set("again/7", "changed");
  proxy.open();
  await holds(page, "again/7", "changed");
  await page.waitForFunction(() => !session.replica("again/8").stale);
  const snapshots = await page.evaluate(async () => {
    const { messagesReceived } = session.statistics();
    session.ping();
    await until(() => session.statistics().messagesReceived > messagesReceived);
    return session.statistics().snapshots;
  });
  assert.ok(snapshots <= 1, `${snapshots} snapshots`);
  assert.deepEqual(faults, []);
  await end();
});

test("a tab that does not read is told the newest values, and of events which it misses", onlyChromium, async () => {
  const context = await browser.newContext();
  const [slow, other] = [await openPage(browser, site, { context }), await openPage(browser, site, { context })];
  await publisher.create("slow/events", { kind: "event", history: 10 });
  await join(slow.page, gateway.url, "slow/**");
  await join(other.page, gateway.url, "slow/**");
  const devtools = await context.newCDPSession(slow.page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  const note = "n".repeat(2000);
  const changes = [];
  for (let n = 1; n <= 3000; n++) {
    changes.push(publisher.set("slow/value", { n, note }), publisher.append("slow/events", { n, note }));
    if (n % 200 === 0) await Promise.all(changes.splice(0));
  }
  await other.page.waitForFunction(
    () => session.replica("slow/value")?.value.n === 3000 && session.replica("slow/events")?.value.n === 3000,
  );
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await slow.page.waitForFunction(
    () =>
      session.replica("slow/value")?.value.n === 3000 &&
      told.some(([path, , value]) => path === "slow/events" && value?.n === 3000),
  );
  const kinds = await slow.page.evaluate(() => {
    const events = told.filter(([path]) => path === "slow/events");
    return {
      told: told.length,
      events: events.filter(([, kind]) => kind === "event").length,
      gaps: events.filter(([, kind]) => kind === "gap").length,
    };
  });
  assert.ok(kinds.events < 3000 && kinds.gaps > 0, JSON.stringify(kinds));
  assert.deepEqual([...slow.faults, ...other.faults], []);
  await context.close();
});

test("tabs whose worker dies go on with another one", onlyChromium, async () => {
  const [proxy, own] = await Promise.all([startProxy(gateway.url), launch()]);
  const context = await own.newContext();
  const tabs = [await openPage(own, site, { context }), await openPage(own, site, { context })];
  for (const { page } of tabs) await join(page, proxy.url, "dies/*");
  await endWorker(own);
  for (const { page } of tabs)
    await page.waitForFunction(() => states.includes("disconnected") && session.connection.state === "connected");
  await publisher.set("dies/a", 1);
  for (const { page } of tabs) await holds(page, "dies/a", 1);
  assert.equal(proxy.accepted, 2);
  assert.deepEqual(
    tabs.flatMap(({ faults }) => faults),
    [],
  );
  await context.close();
});
