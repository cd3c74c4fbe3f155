import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import type { Console } from "../../src/model/console";

declare global {
  var outpourConsole: Console;
}

/** Debian's Chromium, unless `CHROMIUM` names another. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Somebody who looks at the page, and notes what is wrong with it. */
export class Visitor implements AsyncDisposable {
  readonly page: Page;
  /** Errors, refused scripts and requests to elsewhere. */
  readonly faults: string[] = [];

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the page and waits until it is live. */
  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await browser.newContext(options);
    const visitor = new Visitor(await context.newPage());
    const { page, faults } = visitor;
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    page.on("pageerror", (error) => faults.push(error.message));
    page.setDefaultTimeout(20_000);
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("data:")) faults.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    await visitor.seesConnection("Live");
    return visitor;
  }

  async seesConnection(words: string): Promise<void> {
    await this.page.locator(".connection b", { hasText: words }).waitFor();
  }

  async press(button: string): Promise<void> {
    await this.page.getByRole("button", { name: button, exact: true }).click();
  }

  /** What the page says of its last resume. */
  async lastResume(): Promise<{ down: number; up: number; held: number; outcome: string; elsewhere: boolean }> {
    await this.page.locator("#last-resume").waitFor();
    return this.page.evaluate(() => {
      const last = outpourConsole.lastReturn;
      if (last === undefined) throw new Error("there was none");
      return { down: last.down, up: last.up, held: last.heldBytes, outcome: last.outcome, elsewhere: last.elsewhere };
    });
  }

  /** The value the page holds of each topic, as text. */
  async values(): Promise<Map<string, string>> {
    const entries = await this.page.evaluate(() => {
      const { topics } = outpourConsole;
      return [...topics.all()].map((topic) => [topic.path, new TextDecoder().decode(topics.bytes(topic))] as const);
    });
    return new Map(entries);
  }

  /** Waits until the page holds exactly these values. */
  async holds(wanted: ReadonlyMap<string, string>): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const held = await this.values();
      const different = [...wanted].filter(([path, value]) => held.get(path) !== value).map(([path]) => path);
      if (different.length === 0 && held.size === wanted.size) return;
      if (Date.now() > deadline) {
        throw new Error(`${held.size} topics of ${wanted.size}; these differ: ${different.slice(0, 5).join(", ")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Beside whatever a test says that fails.
    for (const fault of this.faults) console.error(fault);
    await this.page.context().close();
  }
}
