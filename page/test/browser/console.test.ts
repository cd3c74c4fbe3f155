import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway";
import { launch, Visitor } from "./visitor";

const FEED = fileURLToPath(new URL("../../../examples/feeds/capmetro_vehicle.jsonl.zst", import.meta.url));

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(async () => {
  await browser.close();
});

/** Topics of about 250 bytes each. */
function topics(count: number, round: number): { topic: string; value: object }[] {
  return Array.from({ length: count }, (_, index) => ({
    topic: `lab/${index % 7}/sensor-${index}`,
    value: { id: `sensor-${index}`, note: "n".repeat(200), level: index + round / 10 },
  }));
}

test("a cut costs what has changed, and nothing else", async () => {
  using gateway = await Gateway.serve();
  gateway.publish(topics(500, 0));
  await using visitor = await Visitor.open(browser, gateway.page);
  await visitor.holds(gateway.values());

  await visitor.press("Cut it");
  await visitor.seesConnection("Offline");
  gateway.publish(topics(3, 1));
  await visitor.press("Restore it");
  await visitor.seesConnection("Live");
  await visitor.holds(gateway.values());

  const { down, up, held, outcome, elsewhere } = await visitor.lastResume();
  expect(outcome).toBe("complete");
  expect(elsewhere).toBe(false);
  expect(held).toBeGreaterThan(500 * 200);
  expect(down).toBeGreaterThan(0);
  expect(down).toBeLessThan(600);
  expect(up).toBeLessThan(400);
  expect(await visitor.page.locator("#last-resume").innerText()).toMatch(/down\s+\d+ B\s+up\s+\d+ B\s+away/);
  await visitor.page
    .getByRole("status")
    .getByText(/^Resumed complete: \d+ B down, \d+ B up, away/)
    .waitFor();
  expect(visitor.faults).toEqual([]);
});

test("a stall is noticed by nobody if it is short, and by the SDK if it is long", async () => {
  // So that the silence is noticed within seconds.
  using gateway = await Gateway.serve({ OUTPOUR_LIMITS_HEARTBEAT: "1s" });
  gateway.publish(topics(50, 0));
  await using visitor = await Visitor.open(browser, gateway.page);
  await visitor.holds(gateway.values());

  await visitor.press("Stall it");
  await visitor.seesConnection("Stalled");
  gateway.publish(topics(5, 1));
  await visitor.press("Let it flow");
  await visitor.holds(gateway.values());
  await visitor.seesConnection("Live");

  await visitor.press("Stall it");
  await visitor.page.locator(".connection.disconnected, .connection.connecting").waitFor();
  gateway.publish(topics(5, 2));
  await visitor.press("Let it flow");
  await visitor.seesConnection("Live");
  await visitor.holds(gateway.values());
  expect((await visitor.lastResume()).outcome).toBe("complete");
  expect(visitor.faults).toEqual([]);
});

test("it goes on at another gateway of the same log", async () => {
  using gateway = await Gateway.demo();
  await using visitor = await Visitor.open(browser, gateway.page);
  await visitor.page.waitForFunction(() => outpourConsole.topics.size > 100);
  const at = (): Promise<string | null> => visitor.page.locator(".connection .gateway").textContent();
  const first = await at();
  await visitor.press("Other gateway");
  await visitor.page.locator(".badge.elsewhere").waitFor();
  const { outcome, elsewhere, down, held } = await visitor.lastResume();
  expect({ outcome, elsewhere }).toEqual({ outcome: "complete", elsewhere: true });
  expect(down).toBeLessThan(held / 4);
  const second = await at();
  expect(second).not.toBe(first);

  await visitor.press("Other gateway");
  await visitor.page.waitForFunction(
    (former) => document.querySelector(".connection .gateway")?.textContent === former,
    first,
  );
  expect(visitor.faults).toEqual([]);
});

test("whatever the network does, the values are those of the publisher in the end", async () => {
  using gateway = await Gateway.serve({ OUTPOUR_LIMITS_HEARTBEAT: "1s" });
  const lines = execFileSync("zstd", ["-dcq", FEED], { encoding: "utf8", maxBuffer: 1 << 28 })
    .split("\n")
    .slice(0, 6_000);
  await using visitor = await Visitor.open(browser, gateway.page);
  const published = gateway.replay(lines, 600);
  let isOver = false;
  const over = published.finally(() => (isOver = true));
  for (let round = 0; !isOver; round++) {
    const [begin, end] = round % 2 === 0 ? ["Cut it", "Restore it"] : ["Stall it", "Let it flow"];
    await visitor.press(begin);
    await visitor.page.waitForTimeout(150 * (1 + (round % 4)));
    await visitor.press(end);
    await visitor.seesConnection("Live");
    await visitor.page.waitForTimeout(300);
  }
  await over;
  const values = gateway.values();
  expect(values.size).toBeGreaterThan(100);
  await visitor.holds(values);
  expect(await visitor.page.evaluate(() => outpourConsole.session.statistics().connections)).toBeGreaterThan(4);
  expect(visitor.faults).toEqual([]);
});

test("ten thousand topics are a few dozen elements", async () => {
  using gateway = await Gateway.serve();
  gateway.publish(topics(10_000, 0));
  await using visitor = await Visitor.open(browser, gateway.page);
  const { page } = visitor;
  await page.locator(".amount", { hasText: "10,000" }).waitFor();
  const rows = page.locator(".topic-row");
  expect(await rows.count()).toBeLessThan(60);
  await page.getByRole("grid").press("End");
  await page.locator(".topic-row", { hasText: "sensor-9995" }).waitFor();
  expect(await rows.count()).toBeLessThan(80);
  gateway.publish([{ topic: "lab/6/sensor-9995", value: { level: 77.5 } }]);
  await page.locator(".topic-row", { hasText: "77.5" }).waitFor();
});

test("it can be used by keyboard alone", async () => {
  using gateway = await Gateway.serve();
  gateway.publish(topics(40, 0));
  await using visitor = await Visitor.open(browser, gateway.page);
  const { page } = visitor;
  await page.locator(".topic-row").first().waitFor();

  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("searchbox").focus();
  await page.keyboard.type("sensor-1 lab/1");
  await page.locator(".amount", { hasText: /^2$/ }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Home");
  await page.locator('.tree-row.active[aria-level="1"]').waitFor();
  await page.keyboard.press("ArrowDown");
  await page.getByRole("grid").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const title = page.locator("#detail-title");
  await title.waitFor();
  expect(await title.innerText()).toContain("lab/1/sensor-15");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("detail-title");
  await page.keyboard.press("Escape");
  await title.waitFor({ state: "detached" });
  expect(visitor.faults).toEqual([]);
});

test("a gateway that wants credentials is given a token", async () => {
  using gateway = await Gateway.serve({ OUTPOUR_CONFIG: fileURLToPath(new URL("./tokens.toml", import.meta.url)) });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(gateway.page);
  await page.getByRole("alert").waitFor();
  await page.getByLabel(/Token/).fill("a token for the console");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.locator(".connection b", { hasText: "Live" }).waitFor();
  await context.close();
});
