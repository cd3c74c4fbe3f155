// What a page may not do, and what it is told then, in Chromium.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { endAll, launch, openPage, startGateway, startSite } from "./browser.mjs";

let browser, gateway;
before(async () => ([browser, gateway] = await Promise.all([launch(), startGateway()])));
after(endAll);

/** How a session ends on a site, and what becomes of what was asked of it. */
async function endOf(site, url = gateway.url) {
  const { page, faults, end } = await openPage(browser, site);
  const told = await page.evaluate(async (url) => {
    begin(url);
    const waiting = session.set("a", 1).catch((error) => error.reason);
    const error = await session.closed;
    return { reason: error.reason, message: error.message, fault: error.fault, waiting: await waiting };
  }, url);
  assert.deepEqual(faults, []);
  await end();
  return told;
}

test("a policy without 'wasm-unsafe-eval' is named", async () => {
  const policy = "script-src 'self'; connect-src *";
  const { reason, message, waiting } = await endOf(await startSite({ policy }));
  assert.equal(reason, "module-failed");
  assert.match(message, /'wasm-unsafe-eval'/);
  assert.equal(waiting, "module-failed");
});

test("a policy with 'wasm-unsafe-eval' suffices", async () => {
  const site = await startSite({ policy: "script-src 'self' 'wasm-unsafe-eval'; connect-src *" });
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate(async (url) => {
    begin(url);
    await session.ready;
  }, gateway.url);
  assert.deepEqual(faults, []);
  await end();
});

test("a module that is not there is named, with what to do", async () => {
  const { reason, message, fault } = await endOf(await startSite({ missing: ["outpour.wasm"] }));
  assert.deepEqual([reason, fault], ["module-failed", "caller"]);
  assert.match(message, /outpour\.wasm.*slim.*inline/s);
});

test("a refused connection is told of, and tried again", async () => {
  const site = await startSite();
  const { page, faults, end } = await openPage(browser, site);
  const told = await page.evaluate(async () => {
    begin("ws://127.0.0.1:9");
    await until(() => session.connection.state === "disconnected");
    const { error, retryInMs } = session.connection;
    await until(() => states.filter((state) => state === "disconnected").length > 1);
    const pending = session.get("a").catch((error) => error.reason);
    await session.close(0);
    return { fault: error.fault, reason: error.reason, retryInMs, pending: await pending };
  });
  assert.equal(told.fault, "network");
  assert.ok(told.retryInMs >= 0);
  assert.equal(told.pending, "closed");
  assert.deepEqual(faults, []);
  await end();
});

test("a policy that forbids the connection is no crash", async () => {
  const site = await startSite({ policy: "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'" });
  const { page, faults, end } = await openPage(browser, site);
  const fault = await page.evaluate(async (url) => {
    begin(url);
    await until(() => session.connection.state === "disconnected");
    return session.connection.error.fault;
  }, gateway.url);
  assert.equal(fault, "network");
  assert.deepEqual(faults, []);
  await end();
});

test("an exception in a listener is reported, and stops nobody", async () => {
  const site = await startSite();
  const { page, faults, end } = await openPage(browser, site);
  await page.evaluate(async (url) => {
    globalThis.reported = [];
    addEventListener("error", ({ error }) => reported.push(error.message));
    begin(url);
    session.subscribe("throws/*", () => {
      throw new Error("a listener's own");
    });
    follow("throws/*");
    await following.ready;
    await session.set("throws/a", 1);
    await until(() => told.length === 1);
    await session.close();
  }, gateway.url);
  assert.deepEqual(await page.evaluate(() => reported), ["a listener's own"]);
  assert.ok(faults.every((fault) => fault.endsWith("a listener's own")));
  await end();
});
