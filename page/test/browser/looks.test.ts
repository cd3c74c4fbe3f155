import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, devices } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway";
import { launch, Visitor } from "./visitor";

/** Where the pictures go: `SCREENSHOTS`, or cargo's folder. */
const FOLDER = process.env["SCREENSHOTS"] ?? fileURLToPath(new URL("../../../target/screenshots/", import.meta.url));

/** How long the feeds are followed. The picture in the README had 12 seconds. */
const SECONDS = Number(process.env["SECONDS"] ?? 4);

const DESKTOP: BrowserContextOptions = { viewport: { width: 1360, height: 820 }, deviceScaleFactor: 1.5 };
const PHONE: BrowserContextOptions = { ...devices["iPhone 13"], defaultBrowserType: undefined } as BrowserContextOptions;

let browser: Browser;
beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  browser = await launch();
});
afterAll(async () => {
  await browser.close();
});

for (const [device, options] of [
  ["desktop", DESKTOP],
  ["phone", PHONE],
] as const) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`on a ${device}, ${colorScheme}`, async () => {
      using gateway = await Gateway.demo("--speed", "3");
      await using visitor = await Visitor.open(browser, gateway.page, { ...options, colorScheme });
      const { page } = visitor;
      await page.waitForFunction(() => outpourConsole.topics.size > 150 && outpourConsole.topics.updates > 1_000);
      expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe(colorScheme);

      await page.getByRole("searchbox").fill("prices bookticker");
      await page.locator(".topic-row:not([hidden])", { hasText: "etcusd_perp" }).click();
      await page.locator("#detail-title").waitFor();
      await page.waitForTimeout(SECONDS * 1_000);
      if (device === "phone") {
        await page.screenshot({ path: `${FOLDER}/${device}-${colorScheme}-topic.png` });
        await page.keyboard.press("Escape");
      }
      await visitor.press("Cut it");
      await visitor.seesConnection("Offline");
      await page.waitForTimeout(SECONDS * 300);
      await visitor.press("Restore it");
      await visitor.seesConnection("Live");
      await visitor.press("Other gateway");
      await page.locator(".badge.elsewhere").waitFor();
      await page.waitForTimeout(2_000);
      // Nothing sticks out at the side.
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      await page.mouse.move(0, 0);
      await page.screenshot({ path: `${FOLDER}/${device}-${colorScheme}.png` });
      expect(visitor.faults).toEqual([]);
    });
  }
}

test("the theme can be chosen, and is kept", async () => {
  using gateway = await Gateway.demo();
  await using visitor = await Visitor.open(browser, gateway.page, { colorScheme: "light" });
  const theme = (): Promise<string | undefined> => visitor.page.evaluate(() => document.documentElement.dataset["theme"]);
  expect(await theme()).toBe("light");
  await visitor.press("Use dark colours");
  expect(await theme()).toBe("dark");
  await visitor.page.reload();
  await visitor.seesConnection("Live");
  expect(await theme()).toBe("dark");
});

test("who wants no motion sees none", async () => {
  using gateway = await Gateway.demo();
  await using visitor = await Visitor.open(browser, gateway.page, { reducedMotion: "reduce" });
  await visitor.page.waitForFunction(() => outpourConsole.topics.updates > 1_000);
  const moving = await visitor.page.evaluate(() => document.getAnimations().length);
  expect(moving).toBe(0);
});
