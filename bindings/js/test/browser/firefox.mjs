// Firefox, driven by WebDriver BiDi, with as much of Playwright's interface as the tests use that don't need the developer tools
// of Chromium.
import puppeteer from "puppeteer-core";

/** Firefox as Debian installs it; `FIREFOX` names another. */
export async function launchFirefox() {
  const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
  return {
    newContext: async () => contextOf(await browser.createBrowserContext()),
    close: () => browser.close(),
  };
}

function contextOf(inner) {
  const scripts = [];
  const context = {
    addInitScript: (script) => scripts.push(script),
    newPage: async () => {
      const page = await inner.newPage();
      for (const script of scripts) await page.evaluateOnNewDocument(script);
      return pageOf(page, context);
    },
    close: () => inner.close(),
  };
  return context;
}

/** What Firefox says by itself, in the place of exceptions that nobody caught. */
const OF_ITS_OWN =
  /^(The connection to ws:.* was interrupted|Firefox can.t establish a connection|Content-Security-Policy: )/;

function pageOf(page, context) {
  const own = {
    context: () => context,
    on: (name, listen) => page.on(name, (what) => OF_ITS_OWN.test(what.message) || listen(what)),
    waitForFunction: (holds, argument, options = {}) => page.waitForFunction(holds, { polling: 50, ...options }, argument),
  };
  return new Proxy(page, {
    get: (_, name) => {
      if (name in own) return own[name];
      const member = page[name];
      return typeof member === "function" ? member.bind(page) : member;
    },
  });
}
