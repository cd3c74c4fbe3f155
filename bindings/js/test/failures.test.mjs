// What goes wrong: a specific error each, and never an unhandled rejection.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "outpour";
import { connect as connectSlim } from "outpour/slim";
import { WebSocket } from "ws";
import { open, startGateway, until } from "./gateway.mjs";

/** Bytes in use: of the heap, and of what lies beside it, as the module's memory does. */
function heap() {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

let gateway;
const unhandled = [];
process.on("unhandledRejection", (error) => unhandled.push(error));
before(async () => (gateway = await startGateway()));
after(async () => {
  await gateway.kill();
  assert.deepEqual(unhandled, []);
});

const reasonOf = (promise) =>
  promise.then(
    () => "nothing was thrown",
    ({ reason }) => reason,
  );

test("an address that is none is refused at once", () => {
  for (const url of [
    "",
    "http://localhost",
    "localhost:7400",
    "ws://",
    "ws://a b",
    "ws://user@host",
    "ws://host/#part",
    [],
    7,
  ]) {
    assert.throws(() => connect(url), { reason: "bad-endpoint" }, String(url));
  }
  for (const options of [{ connectTimeoutMs: -1 }, { queue: { maxCount: 0 } }, { backoff: { baseMs: Number.NaN } }]) {
    assert.throws(() => connect("ws://127.0.0.1:1", options), { reason: "bad-options" });
  }
});

test("a refused connection is tried again, and waits can be given up", async () => {
  const session = connect("ws://127.0.0.1:9");
  const { error, retryInMs } = await until(session, "disconnected");
  assert.deepEqual([error.reason, error.fault, error.retryable], ["connect-failed", "network", true]);
  assert.ok(retryInMs >= 0);
  const waiting = [session.set("a", 1), session.get("a"), session.ready, session.subscribe("a").ready];
  assert.equal(await session.close(0), undefined);
  for (const promise of waiting) assert.equal(await reasonOf(promise), "closed");
  assert.equal(session.connection.state, "closed");
});

test("bad paths, selectors, values and options", async (t) => {
  const session = open(t, gateway.url);
  const circle = {};
  circle.self = circle;
  assert.equal(await reasonOf(session.set("a//b", 1)), "bad-path");
  assert.equal(await reasonOf(session.set("a", undefined)), "bad-value");
  assert.equal(await reasonOf(session.set("a", circle)), "bad-value");
  assert.equal(await reasonOf(session.fetch("a//b")), "bad-selector");
  assert.equal(await reasonOf(session.subscribe("").ready), "bad-selector");
  assert.equal(await reasonOf(session.subscribe("a", { maxRate: -1 }).ready), "bad-options");
  assert.equal(await reasonOf(session.subscribe("a", { from: { after: "x" } }).ready), "bad-options");
  assert.equal(await reasonOf(session.set("a", "x".repeat(2 << 20))), "too-large");
  assert.equal(await reasonOf(session.set("a", 1, { ifAbsent: true, ifVersion: "1" })), "bad-options");
  assert.deepEqual(session.replicas("a//b"), []);
  await session.set("a", "the session goes on");
});

test("a full queue refuses, waits or drops", async (t) => {
  const fill = (session) =>
    Array.from({ length: 5 }, (_, n) =>
      session.set("queue", n).then(
        () => n,
        ({ reason }) => reason,
      ),
    );
  const limited = (whenFull) => open(t, gateway.url, { queue: { maxCount: 2, whenFull } });
  const refusing = limited("error");
  assert.deepEqual((await Promise.all(fill(refusing))).filter((outcome) => outcome === "queue-full").length, 3);
  const waiting = limited("wait");
  assert.deepEqual(await Promise.all(fill(waiting)), [0, 1, 2, 3, 4]);
  const dropping = limited("dropOldest");
  assert.deepEqual(await Promise.all(fill(dropping)), ["queue-full", "queue-full", "queue-full", 3, 4]);
});

test("a session that is over says so", async () => {
  const session = connect(gateway.url);
  await session.ready;
  const following = session.subscribe("**");
  assert.equal(await session.close(), undefined);
  assert.equal(await session.closed, undefined);
  assert.equal((await following[Symbol.asyncIterator]().next()).done, true);
  assert.equal(await reasonOf(session.set("a", 1)), "closed");
  assert.equal(await reasonOf(session.get("a")), "closed");
  assert.equal(await reasonOf(session.subscribe("a").ready), "closed");
  assert.equal(session.replica("a"), undefined);
  assert.equal(session.statistics().bytesSent, 0);
  session.suspend();
  session.networkUp();
  await session.close();
});

test("a signal ends a session", async () => {
  const controller = new AbortController();
  const session = connect(gateway.url, { signal: controller.signal });
  await session.ready;
  controller.abort();
  assert.equal(await session.closed, undefined);
});

test("a module that can't be loaded ends the session with advice", async () => {
  const session = connectSlim(gateway.url, { wasm: new Uint8Array([1, 2, 3, 4]), WebSocket });
  const waiting = [session.set("a", 1), session.subscribe("a").ready, session.fetch("a"), session.ready];
  const error = await session.closed;
  assert.deepEqual([error.code, error.reason, error.fault], [4119, "module-failed", "caller"]);
  for (const promise of waiting) assert.equal(await reasonOf(promise), "module-failed");
  const again = connectSlim(gateway.url, {
    WebSocket,
    wasm: async () => {
      const { readFile } = await import("node:fs/promises");
      return readFile(new URL("../dist/outpour.wasm", import.meta.url));
    },
  });
  await again.ready;
  await again.close();
});

test("a server that is no gateway", async (t) => {
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => response.end("hello"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const session = open(t, `ws://127.0.0.1:${server.address().port}`);
  const { error } = await until(session, "disconnected");
  assert.equal(error.fault, "network");
  server.close();
});

test("a thousand sessions leave nothing behind", async () => {
  const cycle = async () => {
    const session = connect(gateway.url);
    await session.subscribe("**").ready;
    await session.close();
  };
  for (let n = 0; n < 50; n++) await cycle();
  const before = heap();
  for (let n = 0; n < 1000; n++) await cycle();
  const grown = heap() - before;
  // A session that leaks keeps some kilobytes at the least, its sockets and the module's memory with it.
  assert.ok(grown < 1000 * 1024, `${grown} bytes`);
});
