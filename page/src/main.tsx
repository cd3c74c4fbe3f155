import { render } from "preact";
import { Console, type Facts } from "./model/console";
import { App } from "./view/app";
import { SignIn } from "./view/sign-in";
import { followSystemTheme } from "./view/theme";

followSystemTheme();
const root = document.getElementById("console");
if (root !== null) void start(root);

async function start(root: HTMLElement): Promise<void> {
  const facts = await learnFacts();
  // Behind a proxy the gateway may have a path.
  const served = new URL("./", location.href.replace(/^http/, "ws")).href;
  const own = import.meta.env.DEV ? "ws://127.0.0.1:7400" : served;
  const open = (credentials?: string, refusal?: string): void => {
    render(null, root);
    if (refusal !== undefined) {
      render(<SignIn refusal={refusal} onToken={(token) => open(token)} />, root);
      return;
    }
    const console = new Console(facts, own, credentials);
    void console.session.closed.then((reason) => open(undefined, reason?.message ?? "It was closed."));
    render(<App console={console} />, root);
    // For tests: what the page holds.
    Object.assign(globalThis, { outpourConsole: console });
  };
  open();
}

async function learnFacts(): Promise<Facts> {
  try {
    const response = await fetch("./console.json");
    if (response.ok) return (await response.json()) as Facts;
  } catch {
    // The page works without knowing of others.
  }
  return { version: "", gateways: [] };
}
