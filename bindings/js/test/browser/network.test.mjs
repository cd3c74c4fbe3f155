// What happens to a page's network, in Chromium, against real gateways.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "outpour";
import {
  endAll,
  fetchValues,
  launch,
  onlyChromium,
  openPage,
  publishFeed,
  startGateway,
  startProxy,
  startSite,
} from "./browser.mjs";

let browser, site, gateway, publisher;
before(async () => {
  [browser, site, gateway] = await Promise.all([launch(), startSite(), startGateway()]);
  publisher = connect(gateway.url);
});
after(async () => {
  await publisher?.close();
  await endAll();
});

/** Sets topics under a path to values of about 100 bytes. */
async function publish(folder, count, round) {
  const sets = Array.from({ length: count }, (_, n) => publisher.set(`${folder}/${n}`, { n, round, note: "x".repeat(80) }));
  await Promise.all(sets);
}

test("a page connects, follows, and sets", async () => {
  await publish("follow", 20, 0);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate(async (url) => {
    begin(url);
    follow("follow/*");
    await following.ready;
    await session.set("follow/page", { from: "the page" });
    await until(() => session.replica("follow/page") !== undefined);
  }, gateway.url);
  await publish("follow", 20, 1);
  const wanted = await fetchValues(publisher, "follow/*");
  await page.waitForFunction((n) => told.filter(([, , value]) => value.round === 1).length === n, 20);
  assert.deepEqual(await page.evaluate(() => values("follow/*")), wanted);
  const statistics = await page.evaluate(() => session.statistics());
  assert.equal(statistics.updates, 41);
  assert.ok(statistics.deltas >= 20, "what changes travels as deltas");
  assert.equal(await page.evaluate(() => session.close()), undefined);
  assert.deepEqual(faults, []);
  await end();
});

test("a cut costs what has changed", async () => {
  const proxy = await startProxy(gateway.url);
  await publish("cut", 200, 0);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url);
    follow("cut/*");
    return following.ready;
  }, proxy.url);
  const before = await page.evaluate(() => session.statistics().bytesReceived);
  proxy.close();
  await page.waitForFunction(() => session.connection.state !== "connected");
  await publish("cut", 3, 1);
  proxy.open();
  await page.waitForFunction(() => resumed.length === 1);
  const [resumption, after] = await page.evaluate(() => [resumed[0], session.statistics().bytesReceived]);
  assert.equal(resumption.outcome, "complete");
  assert.ok(after - before < 600, `${after - before} bytes for three changes among 200 topics`);
  assert.deepEqual(await page.evaluate(() => values("cut/*")), await fetchValues(publisher, "cut/*"));
  assert.deepEqual(faults, []);
  await end();
});

test("a gateway that stalls is left and found again", async () => {
  const lively = await startGateway({ env: { OUTPOUR_LIMITS_HEARTBEAT: "1s" } });
  const proxy = await startProxy(lively.url);
  const other = connect(lively.url);
  await other.set("stall/a", 1);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url);
    follow("stall/*");
    return following.ready;
  }, proxy.url);
  proxy.stall();
  await other.set("stall/a", 2);
  await page.waitForFunction(() => session.replica("stall/a")?.value === 2);
  assert.deepEqual(
    (await page.evaluate(() => resumed)).map(({ outcome }) => outcome),
    ["complete"],
  );
  assert.deepEqual(faults, []);
  await end();
  await other.close();
});

test("offline and online again", onlyChromium, async () => {
  await publish("offline", 5, 0);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url, { backoff: { baseMs: 60_000, capMs: 60_000 } });
    follow("offline/*");
    return following.ready;
  }, gateway.url);
  await page.context().setOffline(true);
  await publish("offline", 5, 1);
  await page.context().setOffline(false);
  // The hint that there is a network again makes up for the wait of a minute.
  await page.waitForFunction(() => session.replicas("offline/*").every(({ value }) => value.round === 1));
  assert.equal(await page.evaluate(() => session.connection.state), "connected");
  assert.deepEqual(faults, []);
  await end();
});

test("a gateway is killed, and another one taken", async () => {
  const first = await startGateway();
  const filler = connect(first.url);
  await filler.set("moved/a", "of the first");
  const { page, faults, end } = await openPage(browser, site);
  await publisher.set("moved/a", "of the second");
  await page.evaluate(
    (urls) => {
      begin(urls);
      follow("moved/*");
      return following.ready;
    },
    [first.url, gateway.url],
  );
  await page.waitForFunction(() => session.replica("moved/a")?.value === "of the first");
  await filler.close();
  await first.kill();
  await page.waitForFunction(() => session.replica("moved/a")?.value === "of the second");
  await page.waitForFunction(() => resumed.length === 1);
  // They have no log in common, and the page is told so.
  assert.equal(await page.evaluate(() => resumed[0].outcome), "afresh");
  assert.deepEqual(faults, []);
  await end();
});

test("a worker has a session of its own", async () => {
  for (const n of [1, 2, 3]) await publisher.set(`worker/${n}`, n);
  const { page, faults, end } = await openPage(browser, site);
  const sum = await page.evaluate(
    (url) =>
      new Promise((resolve, reject) => {
        const worker = new Worker("/worker.js", { type: "module" });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage([url, "worker/*", 3]);
      }),
    gateway.url,
  );
  assert.equal(sum, 6);
  assert.deepEqual(faults, []);
  await end();
});

test("whatever the network does, the page holds what was published in the end", async () => {
  const proxy = await startProxy(gateway.url);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url);
    follow("storm/*");
    return following.ready;
  }, proxy.url);
  for (let round = 1; round <= 30; round++) {
    await publish("storm", 40, round);
    if (round % 5 === 0) proxy.cut();
  }
  const wanted = await fetchValues(publisher, "storm/*");
  await page.waitForFunction((text) => JSON.stringify(values("storm/*")) === text, JSON.stringify(wanted));
  assert.ok((await page.evaluate(() => session.statistics().connections)) > 1);
  assert.deepEqual(faults, []);
  await end();
});

test("a recorded feed is followed through cuts and stalls, to the values that were published", async () => {
  const fed = await startGateway();
  const proxy = await startProxy(fed.url);
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate((url) => {
    begin(url);
    follow("**");
    return following.ready;
  }, proxy.url);
  const endFeed = publishFeed(fed.url, "binance_bookticker", 400);
  for (let round = 1; round <= 6; round++) {
    const before = await page.evaluate(() => session.statistics().updates);
    await page.waitForFunction((before) => session.statistics().updates > before + 100, before);
    if (round % 3 === 0) proxy.stall();
    else proxy.cut();
    // A stalled connection is noticed by a ping, at the latest; so is one that a hint says may be gone.
    await page.evaluate(() => session.networkUp());
  }
  await endFeed();
  const reader = connect(fed.url);
  const wanted = await fetchValues(reader, "**");
  await reader.close();
  assert.ok(Object.keys(wanted).length > 10);
  await page.waitForFunction((text) => JSON.stringify(values("**")) === text, JSON.stringify(wanted));
  const { connections, deltas, updates } = await page.evaluate(() => session.statistics());
  assert.ok(connections > 6, `${connections} connections`);
  assert.ok(deltas > updates / 2, `${deltas} of ${updates} updates came as deltas`);
  assert.deepEqual(faults, []);
  await end();
  await fed.kill();
});
