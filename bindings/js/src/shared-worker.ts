/**
 * The script of the `SharedWorker` in which tabs share a connection. An application names it, and calls nothing of it.
 *
 * @packageDocumentation
 */
import { startEngine } from "./engine.js";
import { report } from "./listeners.js";
import { loadModule } from "./module.js";
import { Hub } from "./shared/hub.js";
import type { Member } from "./shared/member.js";
import { VERSION, type Hello, type Request, type Welcome } from "./shared/messages.js";
import { Keeper, storeOf } from "./store.js";

const hubs = new Map<string, Hub>();

/** Held for as long as the worker lives, so that tabs notice its end. */
const lock = `outpour:worker:${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
const holding = new Promise<void>((held) => {
  void navigator.locks?.request(lock, () => (held(), new Promise(() => {})));
});

/** The tab's hub: the one of its audience, or a new one. */
async function hubOf({ audience, settings, store }: Hello): Promise<Hub> {
  const module = await loadModule(() => new URL("./outpour.wasm", import.meta.url));
  const held = hubs.get(audience);
  if (held !== undefined) return held;
  const place = storeOf(store, settings.endpoints);
  const start: ConstructorParameters<typeof Hub>[0] = (settings, ready) => startEngine(module, settings, WebSocket, ready);
  const hub: Hub = new Hub(start, settings, place === undefined ? undefined : new Keeper(place), () => {
    if (hubs.get(audience) === hub) hubs.delete(audience);
  });
  hubs.set(audience, hub);
  void hub.connect(settings.endpoints.join(" ")).catch(report);
  return hub;
}

/** What there is to say of each code. */
async function codes(): Promise<Map<number, string>> {
  const { describeCode } = await loadModule(() => new URL("./outpour.wasm", import.meta.url));
  const told = new Map<number, string>();
  for (let code = 4000; code < 4500; code++) {
    const text = describeCode(code);
    if (text !== undefined) told.set(code, text);
  }
  return told;
}

async function welcome(port: MessagePort, hello: Hello): Promise<void> {
  let isGone = false;
  let leave = (): void => void (isGone = true);
  const requests: Request[] = [];
  port.onmessage = ({ data }: MessageEvent<Request>) => {
    if (data[0] === "leave") leave();
    else requests.push(data);
  };
  // It is granted when the tab is no more.
  navigator.locks.request(hello.lock, () => leave()).catch(report);
  await holding;
  const told = await codes();
  if (isGone) return;
  const hub = await hubOf(hello);
  port.postMessage({ kind: "welcome", codes: told, lock } satisfies Welcome);
  const member: Member = hub.join(port, hello);
  leave = () => {
    hub.leave(member);
    port.close();
  };
  for (const request of requests.splice(0)) hub.handle(member, request);
  port.onmessage = ({ data }: MessageEvent<Request>) => (data[0] === "leave" ? leave() : hub.handle(member, data));
}

(globalThis as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports }) => {
  const [port] = ports;
  if (port === undefined) return;
  port.onmessage = ({ data }: MessageEvent<Request>) => {
    if (data[0] !== "hello") return;
    const refuse = (problem: string): void => port.postMessage({ kind: "refused", problem } satisfies Welcome);
    if (data[1].version !== VERSION) return refuse("The shared worker is of another version.");
    welcome(port, data[1]).catch((error: unknown) => refuse(String(error)));
  };
};
