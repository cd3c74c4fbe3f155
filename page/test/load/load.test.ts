import { expect, test } from "vitest";
import { Gateway } from "../browser/gateway";
import { launch, Visitor } from "../browser/visitor";

const TOPICS = 10_000;
const RATE = 5_000;
const SECONDS = Number(process.env["SECONDS"] ?? 60);

/** Made values of about 100 bytes; the busy topics are those that are seen. */
function* updates(count: number): Generator<string> {
  for (let n = 0; n < count; n++) {
    const topic = n < TOPICS ? n : Math.floor((((n * 7919) % 1009) ** 2 / 1009 ** 2) * TOPICS);
    const value = {
      id: topic,
      bid: (100 + Math.sin(n / 50 + topic)).toFixed(4),
      ask: (101 + Math.cos(n / 70)).toFixed(4),
      at: n,
    };
    yield JSON.stringify({ topic: `load/${topic % 20}/topic-${topic}`, value });
  }
}

test(`${TOPICS} topics, ${RATE} updates a second`, async () => {
  const browser = await launch();
  using gateway = await Gateway.serve();
  await gateway.replay([...updates(TOPICS)], 20_000);
  await using visitor = await Visitor.open(browser, gateway.page, { viewport: { width: 1440, height: 900 } });
  const { page } = visitor;
  await page.waitForFunction((topics) => outpourConsole.topics.size === topics, TOPICS);
  const feed = gateway.replay([...updates(TOPICS + RATE * (SECONDS + 5))].slice(TOPICS), RATE);
  await page.waitForTimeout(3_000);

  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const metrics = async (): Promise<Record<string, number>> => {
    await devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await devtools.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  const before = await metrics();
  const seen = await page.evaluate(async (ms) => {
    const tasks: number[] = [];
    const frames: number[] = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({
      type: "longtask",
    });
    const begun = outpourConsole.topics.updates;
    const start = performance.now();
    let last = start;
    await new Promise<void>((resolve) => {
      const frame = (now: number): void => {
        frames.push(now - last);
        last = now;
        if (now - start < ms) requestAnimationFrame(frame);
        else resolve();
      };
      requestAnimationFrame(frame);
    });
    frames.sort((left, right) => left - right);
    const seconds = (performance.now() - start) / 1000;
    return {
      updatesPerSecond: Math.round((outpourConsole.topics.updates - begun) / seconds),
      longTasks: tasks.length,
      longestTask: Math.round(Math.max(0, ...tasks)),
      framesPerSecond: Math.round(frames.length / seconds),
      frameP99: Math.round(frames[Math.floor(frames.length * 0.99)] ?? 0),
    };
  }, SECONDS * 1000);
  const after = await metrics();
  const mainThread = (100 * ((after["TaskDuration"] ?? 0) - (before["TaskDuration"] ?? 0))) / SECONDS;
  const megabytes = (metrics: Record<string, number>): number => Math.round((metrics["JSHeapUsedSize"] ?? 0) / 1e5) / 10;
  console.log({
    ...seen,
    mainThreadPercent: Math.round(mainThread),
    heapBefore: megabytes(before),
    heapAfter: megabytes(after),
  });
  expect(await page.locator(".topic-row").count()).toBeLessThan(80);
  await feed;
  await visitor.holds(gateway.values());
  expect(visitor.faults).toEqual([]);
  await browser.close();
});
