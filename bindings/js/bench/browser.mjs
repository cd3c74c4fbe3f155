// How fast a page is told, in headless Chromium, beside a plain WebSocket and `JSON.parse`: `cargo xtask bench browser`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "outpour";
import { endAll, launch, openPage, startGateway, startSite } from "../test/browser/browser.mjs";
import { feed, value } from "./feed.mjs";
import { followAll, followFor, followSteadily, receiveAll, showFirst, showFirstPlain } from "./page.mjs";
import { startPlain, startRecorder, startReplay } from "./servers.mjs";

const UPDATES = 300_000;
const ROUNDS = 5;
const FIRSTS = 21;
const LIVE_MS = 5_000;
const STEADY = { topics: 10_000, rate: 5_000, seconds: 60 };
// One session publishes as fast as it can, with more messages a second than strangers are allowed.
const env = { OUTPOUR_LIMITS_MESSAGES_PER_SECOND: "10000000", OUTPOUR_LIMITS_MAX_PUBLISHES_IN_FLIGHT: "1024" };

/** `outpour pub` with the feed, over and over, until it is ended. */
function publish(url, { topics, rate } = {}) {
  const args = ["pub", url, "--jsonl", "--loop", ...(rate === undefined ? [] : ["--rate", String(rate)])];
  const child = spawn(process.env.OUTPOUR, args, { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(feed(topics));
  return async () => {
    const exited = once(child, "exit");
    child.kill();
    await exited;
  };
}

/** What the gateway says to a client that follows, and the values that this makes. */
async function record() {
  const gateway = await startGateway({ env });
  const recorder = await startRecorder(gateway.url);
  const stop = publish(gateway.url);
  const session = connect(recorder.url);
  const values = [];
  for await (const updates of session.subscribe("bench/*").batches()) {
    for (const { bytes } of updates) values.push(Buffer.from(bytes).toString());
    if (values.length >= UPDATES) break;
  }
  const { messagesReceived, bytesReceived, updates, deltas } = session.statistics();
  await session.close(0);
  await stop();
  recorder.end();
  await gateway.kill();
  const perMessage = updates / messagesReceived;
  const perUpdate = bytesReceived / updates;
  return { messages: recorder.messages, values: values.slice(0, UPDATES), perMessage, perUpdate, deltas: deltas / updates };
}

/** Runs a function in a fresh page; what it gives, with what the page's main thread has spent meanwhile. */
async function measure(browser, site, task, argument) {
  const { page, faults, end } = await openPage(browser, site);
  page.setDefaultTimeout(0);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const spent = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1e6;
  };
  const before = await spent();
  const result = await page.evaluate(task, argument);
  const busyUs = (await spent()) - before;
  await end();
  if (faults.length > 0) throw new Error(faults.join("; "));
  return { ...result, busyUs };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const thousands = (number) => Math.round(number).toLocaleString("en");

/** The page alone: everything is there to be received. Ways take turns, so that noise hits all of them. */
async function measurePage(browser, site, { messages, values }) {
  const replay = await startReplay(messages);
  const plain = await startPlain(values);
  const ways = {
    bytes: [followAll, [replay.url, UPDATES, false]],
    parsed: [followAll, [replay.url, UPDATES, true]],
    plain: [receiveAll, [plain.url, UPDATES]],
  };
  const figures = { bytes: [], parsed: [], plain: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, [task, argument]] of Object.entries(ways))
      figures[name].push(await measure(browser, site, task, argument));
  }
  // What is shown is what was published: the sums of what the ways have read are equal.
  const sums = new Set([...figures.parsed, ...figures.plain].map(({ sum }) => sum.toFixed(3)));
  if (sums.size !== 1) throw new Error(`the ways have read different values: ${[...sums].join(", ")}`);
  replay.end();
  plain.end();
  return figures;
}

/** With the gateway and the publisher beside it on the same cores. */
async function measureLive(browser, site) {
  const gateway = await startGateway({ env });
  const stop = publish(gateway.url);
  const live = {};
  for (const [name, isParsed] of Object.entries({ bytes: false, parsed: true })) {
    live[name] = await measure(browser, site, followFor, [gateway.url, LIVE_MS, isParsed]);
  }
  await stop();
  await gateway.kill();
  return live;
}

/** Many topics at a rate that a page may well have, for a minute: what the page's main thread and memory make of it. */
async function measureSteady(browser, site) {
  const { topics, rate, seconds } = STEADY;
  const gateway = await startGateway({ env });
  const stop = publish(gateway.url, { topics, rate });
  const { page, faults, end } = await openPage(browser, site);
  page.setDefaultTimeout(0);
  const devtools = await page.context().newCDPSession(page);
  const heap = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    // What objects take, and what lies in buffers, the memory of the module among them.
    const { usedSize, backingStorageSize } = await devtools.send("Runtime.getHeapUsage");
    return usedSize + backingStorageSize;
  };
  const watcher = connect(gateway.url);
  // All topics are there, and have been set more than once.
  await watcher.subscribe("bench/*").ready;
  while (watcher.replicas("bench/*").length < topics) await new Promise((resolve) => setTimeout(resolve, 100));
  await watcher.close(0);
  await page.evaluate(followSteadily, gateway.url);
  const heapBefore = await heap();
  const { longTasks: early } = await page.evaluate(() => look());
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const { told, longTasks, ms, topics: held } = await page.evaluate(() => look());
  const heapAfter = await heap();
  await page.evaluate(() => stop());
  await end();
  await stop();
  await gateway.kill();
  if (faults.length > 0) throw new Error(faults.join("; "));
  return { held, perSecond: (told / ms) * 1000, longTasks: longTasks.slice(early.length), heapBefore, heapAfter };
}

/** From `connect()` to the first value: in a page that has loaded nothing but the script, and once more there. */
async function measureFirst(browser, site) {
  const text = value(0, 0);
  const gateway = await startGateway();
  const publisher = connect(gateway.url);
  await publisher.set("first/value", JSON.parse(text));
  await publisher.close();
  const plain = await startPlain([text]);
  const firsts = { first: [], again: [], plainFirst: [], plainAgain: [] };
  for (let round = 0; round < FIRSTS; round++) {
    const ours = await openPage(browser, site);
    firsts.first.push(await ours.page.evaluate(showFirst, gateway.url));
    firsts.again.push(await ours.page.evaluate(showFirst, gateway.url));
    await ours.end();
    const theirs = await openPage(browser, site);
    firsts.plainFirst.push(await theirs.page.evaluate(showFirstPlain, plain.url));
    firsts.plainAgain.push(await theirs.page.evaluate(showFirstPlain, plain.url));
    await theirs.end();
  }
  plain.end();
  await gateway.kill();
  return Object.fromEntries(Object.entries(firsts).map(([name, times]) => [name, median(times)]));
}

function printPage(recording, figures) {
  const perUpdate = (way) => median(figures[way].map(({ busyUs }) => busyUs / UPDATES));
  // Ratios are taken within each round.
  const ratio = (way) => median(figures[way].map(({ busyUs }, round) => busyUs / figures.plain[round].busyUs));
  console.log(
    `A gateway's recorded messages: ${thousands(UPDATES)} updates, ${(100 * recording.deltas).toFixed(0)} % deltas,`,
  );
  console.log(
    `${recording.perMessage.toFixed(0)} to a message, ${recording.perUpdate.toFixed(1)} bytes each; the values have 200.\n`,
  );
  console.log("| what a page does | updates/s | main thread per update | × plain |\n|---|---|---|---|");
  const names = {
    bytes: "`outpour`, batches of bytes",
    parsed: "`outpour`, batches, each `value` read",
    plain: "plain `WebSocket`, `JSON.parse` of full values",
  };
  for (const [way, name] of Object.entries(names)) {
    const rate = median(figures[way].map(({ ms }) => (UPDATES / ms) * 1000));
    console.log(`| ${name} | ${thousands(rate)} | ${perUpdate(way).toFixed(2)} µs | ${ratio(way).toFixed(2)} |`);
  }
}

function printLive(live) {
  console.log(
    "\n| live, gateway and `outpour pub` on the same cores | updates/s | bytes per update | main thread busy |\n|---|---|---|---|",
  );
  for (const [way, { told, ms, bytes, busyUs }] of Object.entries(live)) {
    console.log(
      `| ${way} | ${thousands((told / ms) * 1000)} | ${(bytes / told).toFixed(1)} | ${(busyUs / told).toFixed(2)} µs per update |`,
    );
  }
}

function printSteady({ held, perSecond, longTasks, heapBefore, heapAfter }) {
  const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
  const longest = longTasks.length === 0 ? "" : `, the longest of ${Math.max(...longTasks).toFixed(0)} ms`;
  console.log(
    `\n${thousands(held)} topics, ${thousands(perSecond)} updates/s parsed for ${STEADY.seconds} s: ` +
      `${longTasks.length} tasks over 50 ms${longest}; heap ${mebibytes(heapBefore)} MiB before, ${mebibytes(heapAfter)} MiB after.`,
  );
}

function printFirst({ first, again, plainFirst, plainAgain }) {
  const line = (name, ours, plain) =>
    console.log(`| ${name} | ${ours.toFixed(1)} ms | ${plain.toFixed(1)} ms | ${(ours / plain).toFixed(2)} |`);
  console.log("\n| first value in the document | `outpour` | plain | ratio |\n|---|---|---|---|");
  line("in a fresh page, module to be loaded", first, plainFirst);
  line("another session in that page", again, plainAgain);
}

const chosen = process.argv.slice(2);
const wanted = (part) => chosen.length === 0 || chosen.includes(part);
try {
  const [browser, site] = await Promise.all([launch(), startSite()]);
  if (wanted("page")) {
    const recording = await record();
    printPage(recording, await measurePage(browser, site, recording));
  }
  if (wanted("live")) printLive(await measureLive(browser, site));
  if (wanted("steady")) printSteady(await measureSteady(browser, site));
  if (wanted("first")) printFirst(await measureFirst(browser, site));
} finally {
  await endAll();
}
