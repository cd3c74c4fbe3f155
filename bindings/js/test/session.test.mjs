// The API in Node, against real gateways.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, OutpourError, Value } from "outpour";
import { open, startGateway, startProxy, until } from "./gateway.mjs";

let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway.kill());

/** The error that a promise rejects with. */
async function errorOf(promise) {
  return promise.then(
    () => assert.fail("nothing was thrown"),
    (error) => error,
  );
}

test("what is set is told, and held", async (t) => {
  const session = open(t, gateway.url);
  const updates = session.subscribe("told/*")[Symbol.asyncIterator]();
  const { version } = await session.set("told/a", { bid: 1.5 });
  const { value: update } = await updates.next();
  assert.deepEqual([update.kind, update.path, update.value, update.version], ["value", "told/a", { bid: 1.5 }, version]);
  assert.equal(update.stale, false);
  const replica = session.replica("told/a");
  assert.deepEqual(replica.value, { bid: 1.5 });
  assert.equal(replica.version, version);
  assert.ok(replica.ageMs >= 0 && !replica.stale);
  assert.deepEqual(
    session.replicas("told/**").map(({ path }) => path),
    ["told/a"],
  );
  assert.equal(session.replica("told/b"), undefined);
  await session.remove("told/a");
  assert.equal((await updates.next()).value.kind, "removed");
});

test("where there is no SharedWorker, a session has its own connection", async (t) => {
  const session = open(t, gateway.url, { shared: "shared-worker.js" });
  await session.set("shared/a", 1);
  assert.equal(session.shared, false);
});

test("a subscription says why it is over", async (t) => {
  const session = open(t, gateway.url);
  assert.equal((await session.subscribe("a//b").closed).reason, "bad-selector");
  const controller = new AbortController();
  const aborted = session.subscribe("over/*", { signal: controller.signal });
  controller.abort("enough");
  assert.equal(await aborted.closed, "enough");
  const left = session.subscribe("over/*");
  await session.close();
  assert.equal(await left.closed, undefined);
});

test("every type of value keeps its meaning", async (t) => {
  const session = open(t, gateway.url);
  const values = {
    json: [
      [1, "two", null],
      [1, "two", null],
    ],
    text: [Value.text("grüße"), "grüße"],
    binary: [Value.binary(new Uint8Array([0, 255])), new Uint8Array([0, 255])],
    int64: [Value.int64(-(2n ** 63n)), -(2n ** 63n)],
    double: [Value.double(0.1), 0.1],
    raw: [Value.json('{"n":1e400}'), { n: Infinity }],
  };
  for (const [name, [given, expected]] of Object.entries(values)) {
    await session.set(`types/${name}`, given);
    const { value } = await session.get(`types/${name}`);
    assert.deepEqual(value, expected, name);
  }
  assert.equal(await session.get("types/none"), undefined);
});

test("events come in order, and history can be fetched", async (t) => {
  const session = open(t, gateway.url);
  for (let n = 1; n <= 5; n++) await session.append("events/a", { n });
  const events = [];
  for await (const event of session.subscribe("events/*", { from: { last: 2 } })) {
    events.push([event.kind, event.sequence, event.value.n]);
    if (event.sequence === 5) void session.append("events/a", { n: 6 });
    if (events.length === 3) break;
  }
  assert.deepEqual(events, [
    ["event", 4, 4],
    ["event", 5, 5],
    ["event", 6, 6],
  ]);
  const { items, more } = await session.fetchEvents("events/a", "all", { limit: 2 });
  assert.equal(items.length, 2);
  assert.equal(more, true);
});

test("conditions are judged by the gateway", async (t) => {
  const session = open(t, gateway.url);
  const first = await session.set("conditions/a", 1, { ifAbsent: true });
  const exists = await errorOf(session.set("conditions/a", 2, { ifAbsent: true }));
  assert.ok(exists instanceof OutpourError);
  assert.deepEqual(
    [exists.code, exists.reason, exists.fault, exists.version],
    [4106, "already-exists", "caller", first.version],
  );
  await session.set("conditions/a", 2, { ifVersion: first.version });
  assert.equal((await errorOf(session.set("conditions/a", 3, { ifVersion: first.version }))).reason, "version-mismatch");
  assert.equal((await errorOf(session.set("conditions/a", 3, { ifVersion: "none" }))).reason, "bad-options");
});

test("patches, streams and properties", async (t) => {
  const session = open(t, gateway.url);
  await session.set("patched", { a: 1, b: { c: 2 } });
  await session.patch("patched", { b: { c: null, d: 3 } });
  assert.deepEqual((await session.get("patched")).value, { a: 1, b: { d: 3 } });
  await session.jsonPatch("patched", [{ op: "add", path: "/e", value: [] }]);
  assert.deepEqual((await session.get("patched")).value, { a: 1, b: { d: 3 }, e: [] });
  const stream = session.updateStream("streamed");
  const text = "a long text of which little changes ".repeat(20);
  await stream.set({ n: 0, text });
  const sent = session.statistics().bytesSent;
  for (let n = 1; n <= 10; n++) await stream.set({ n, text });
  stream.close();
  assert.ok(session.statistics().bytesSent - sent < 10 * 60, "only what changed was sent");
  assert.equal((await session.get("streamed")).value.n, 10);
  await session.create("created", { kind: "event", type: "text", history: 3 });
  assert.equal((await errorOf(session.set("created", 1))).reason, "kind-mismatch");
});

test("a listener gets batches, and one that throws stops nobody", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const session = open(t, gateway.url);
  const told = [];
  let enough;
  const done = new Promise((resolve) => (enough = resolve));
  session.subscribe("listened/*", () => {
    throw new Error("a mistake in a listener");
  });
  const subscription = session.subscribe("listened/*", {}, (updates) => {
    told.push(...updates.map(({ value }) => value));
    if (told.length === 3) enough();
  });
  for (let n = 0; n < 3; n++) await session.set(`listened/${n}`, n);
  await done;
  assert.deepEqual(told, [0, 1, 2]);
  assert.ok(reported.mock.callCount() > 0);
  assert.equal((await errorOf(subscription.batches().next())).reason, "bad-options");
  subscription.close();
  assert.equal(subscription.isClosed, true);
});

test("cancelling: break, abort and close", async (t) => {
  const session = open(t, gateway.url);
  await session.set("cancelled/a", 1);
  const subscription = session.subscribe("cancelled/*");
  for await (const _ of subscription) break;
  assert.equal(subscription.isClosed, true);
  const controller = new AbortController();
  const aborted = session.subscribe("nothing/*", { signal: controller.signal });
  const waiting = errorOf(aborted[Symbol.asyncIterator]().next());
  controller.abort(new Error("enough"));
  assert.equal((await waiting).message, "enough");
  assert.equal((await errorOf(session.fetch("**", { signal: AbortSignal.abort(new Error("before")) }))).message, "before");
  const closed = session.subscribe("nothing/*");
  const next = closed[Symbol.asyncIterator]().next();
  closed.close();
  assert.equal((await next).done, true);
});

test("a lost connection is gone on from", async (t) => {
  const proxy = await startProxy(gateway.url);
  const session = open(t, proxy.url);
  const publisher = open(t, gateway.url);
  await publisher.set("resumed/a", { n: 1, text: "x".repeat(1000) });
  const updates = session.subscribe("resumed/*")[Symbol.asyncIterator]();
  assert.equal((await updates.next()).value.value.n, 1);
  const before = session.statistics().bytesReceived;
  const resumed = new Promise((resolve) => session.onResumed(resolve));
  proxy.close();
  await until(session, "disconnected");
  assert.equal(session.replica("resumed/a").stale, true);
  await publisher.set("resumed/a", { n: 2, text: "x".repeat(1000) });
  proxy.open();
  session.networkUp();
  const { outcome, awayMs } = await resumed;
  assert.equal(outcome, "complete");
  assert.ok(awayMs > 0);
  const { value: update } = await updates.next();
  assert.equal(update.value.n, 2);
  const cost = session.statistics().bytesReceived - before;
  assert.ok(cost < 200, `${cost} bytes`);
  await proxy.end();
});

test("a slow application is told the newest value, and loses none", async (t) => {
  const session = open(t, gateway.url);
  const publisher = open(t, gateway.url);
  const slow = session.subscribe("slow/*");
  await slow.ready;
  let last;
  for (let n = 0; n < 3000; n++) last = publisher.set("slow/a", n);
  await last;
  await session.get("slow/a");
  let told = 0;
  for await (const { value } of slow) {
    told++;
    if (value === 2999) break;
  }
  assert.ok(told < 3000, `${told} of 3000`);
});

test("credentials come from a provider, and from none", async (t) => {
  let asked = 0;
  const session = open(t, gateway.url, {
    credentials: async () => {
      asked++;
      return "a token that this gateway does not ask for";
    },
  });
  await session.ready;
  assert.equal(asked, 1);
  const failing = open(t, gateway.url, {
    credentials: () => {
      throw new Error("no network");
    },
  });
  const { error } = await until(failing, "disconnected");
  assert.equal(error.reason, "credentials-failed");
  assert.match(error.detail, /no network/);
});

test("what was held is there after a restart", async (t) => {
  let held;
  const store = {
    load: async () => held,
    save: async (bytes) => void (held = bytes),
    clear: async () => void (held = undefined),
  };
  const publisher = open(t, gateway.url);
  await publisher.set("stored/a", { n: 1, text: "y".repeat(1000) });
  const first = connect(gateway.url, { store });
  await first.subscribe("stored/*").ready;
  await first.close();
  assert.ok(held.length > 1000);
  await publisher.set("stored/a", { n: 2, text: "y".repeat(1000) });
  const second = open(t, gateway.url, { store });
  const updates = second.subscribe("stored/*")[Symbol.asyncIterator]();
  const { value: warm } = await updates.next();
  assert.deepEqual([warm.value.n, warm.stale, warm.wireBytes], [1, true, 0]);
  const { value: fresh } = await updates.next();
  assert.deepEqual([fresh.value.n, fresh.stale], [2, false]);
  assert.ok(second.statistics().bytesReceived < 300);
  held = new Uint8Array([1, 2, 3]);
  const third = open(t, gateway.url, { store });
  assert.equal(
    (await third.subscribe("stored/*")[Symbol.asyncIterator]().next()).value.stale,
    false,
    "a damaged store is not trusted",
  );
});
