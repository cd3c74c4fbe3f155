/**
 * The script of the `SharedWorker` in which tabs share a connection. An application names it, and calls nothing of it.
 *
 * @packageDocumentation
 */
import { report } from "./listeners.js";
import { loadModule } from "./module.js";
import { Hub } from "./shared/hub.js";
import type { Member } from "./shared/member.js";
import { VERSION, type Hello, type Request, type Welcome } from "./shared/messages.js";
import { Keeper, storeOf } from "./store.js";

const hubs = new Map<string, Promise<Hub>>();

/** Held for as long as the worker lives, so that tabs notice its end. */
const lock = `outpour:worker:${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
const holding = new Promise<void>((held) => {
  void navigator.locks?.request(lock, () => (held(), new Promise(() => {})));
});

/** The tab's hub: the one of its audience, or a new one. */
function hubOf(hello: Hello): Promise<Hub> {
  const held = hubs.get(hello.audience);
  if (held !== undefined) return held;
  const forget = (): void => {
    if (hubs.get(hello.audience) === hub) hubs.delete(hello.audience);
  };
  const hub = startHub(hello, forget);
  hubs.set(hello.audience, hub);
  hub.catch(forget);
  return hub;
}

async function startHub({ settings, store }: Hello, ended: () => void): Promise<Hub> {
  const module = await loadModule(() => new URL("./outpour.wasm", import.meta.url));
  const { endpoints } = settings;
  const place = storeOf(store, endpoints);
  const keeper = place === undefined ? undefined : new Keeper(place);
  const hub = new Hub((ready) => module.start(settings, WebSocket, ready), keeper, ended);
  // What is stored is there before anything is asked for.
  await hub.connect(endpoints.join(" "));
  return hub;
}

/** What there is to say of each code. */
async function codes(): Promise<Map<number, string>> {
  const { describeCode } = await loadModule(() => new URL("./outpour.wasm", import.meta.url));
  const told = new Map<number, string>();
  for (let code = 4000; code < 4500; code++) {
    const text = describeCode(code);
    if (text !== "") told.set(code, text);
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
  let hub = await hubOf(hello);
  // It may have ended while its start was awaited, and somebody has to tell this tab why.
  if (hub.isOver) hub = await hubOf(hello);
  if (hub.isOver) throw new Error("The shared connection has ended.");
  port.postMessage({ kind: "welcome", codes: told, lock } satisfies Welcome);
  const member: Member = hub.join(port, hello);
  leave = () => {
    hub.leave(member);
    port.close();
  };
  if (isGone) return leave();
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
