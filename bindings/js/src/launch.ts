import type { Engine, EngineSettings, Module } from "./engine.js";
import { errorOf, learnCodes } from "./errors.js";
import { Codes } from "./numbers.js";
import type { ConnectOptions, WebSocketConstructor } from "./options.js";
import { Keeper, storeOf } from "./store.js";
import { readUpdates, Update } from "./updates.js";

/** Where a module and a `WebSocket` come from: what the entries of the package differ in. @internal */
export interface Platform {
  load(): Promise<Module>;
  webSocket(): Promise<WebSocketConstructor | undefined>;
}

/** An engine that a session can use. @internal */
export interface Launched {
  readonly engine: Engine;
  /** Whether other tabs use it as well. */
  readonly isShared: boolean;
  /** Writes what it holds to a store, if there is one. */
  readonly keeper: Keeper | undefined;
}

/** Starts an engine: in a worker that tabs share, if that is wanted and can be had, or in this thread. @internal */
export async function launch(
  platform: Platform,
  endpoints: readonly string[],
  options: ConnectOptions,
  ready: () => void,
): Promise<Launched> {
  const settings = settingsOf(endpoints, options);
  if (options.shared !== undefined) {
    // A page that does not share a connection does not load what that takes; one that can't load it has its own.
    const sharing = await import("./shared/tab.js").catch(() => undefined);
    const engine = await sharing?.shareEngine(settings, options, { learnCodes, readUpdates, Update }, ready);
    if (engine !== undefined) return { engine, isShared: true, keeper: undefined };
  }
  const [module, found] = await Promise.all([platform.load(), options.WebSocket ?? platform.webSocket()]);
  learnCodes(module.describeCode);
  if (found === undefined) {
    throw errorOf(
      Codes.badOptions,
      "There is no WebSocket here: install the package `ws`, or pass one as the option `WebSocket`.",
    );
  }
  const engine = module.start(settings, found, ready);
  const store = storeOf(options.store, endpoints);
  const keeper = store === undefined ? undefined : new Keeper(store);
  await keeper?.load(engine, endpoints.join(" "));
  return { engine, isShared: false, keeper };
}

function settingsOf(endpoints: readonly string[], options: ConnectOptions): EngineSettings {
  const { credentials, followRedirects, queue, reconnect, backoff, connectTimeoutMs, agent } = options;
  const flags =
    (credentials === undefined ? 0 : 1) |
    (followRedirects === true ? 2 : 0) |
    (queue?.whenFull === "dropOldest" ? 4 : 0) |
    (reconnect === false ? 8 : 0);
  const figures = [connectTimeoutMs, backoff?.baseMs, backoff?.capMs, queue?.maxCount, queue?.maxBytes];
  return { endpoints, agent: agent ?? "outpour-js/0.1.0", flags, figures: figures.map((figure) => figure ?? 0) };
}

/** The addresses of a session. Whatever is wrong with a call is thrown at once, before anything is loaded. @internal */
export function checkCall(urls: string | readonly string[], options: ConnectOptions): readonly string[] {
  const endpoints: readonly unknown[] = typeof urls === "string" ? [urls] : Array.isArray(urls) ? urls : [];
  if (endpoints.length === 0) throw errorOf(Codes.badEndpoint, "There is no address.");
  for (const text of endpoints) {
    const url = typeof text === "string" && !/\s/.test(text) ? parse(text) : undefined;
    if (url === undefined || (url.protocol !== "ws:" && url.protocol !== "wss:")) {
      throw errorOf(Codes.badEndpoint, `${JSON.stringify(text)} does not start with ws:// or wss://.`);
    }
    if (url.username !== "" || url.hash !== "")
      throw errorOf(Codes.badEndpoint, `${url.host}: an address has neither a user nor a fragment.`);
  }
  const figures = [
    options.connectTimeoutMs,
    options.backoff?.baseMs,
    options.backoff?.capMs,
    options.queue?.maxCount,
    options.queue?.maxBytes,
  ];
  if (figures.some((figure) => figure !== undefined && !(figure > 0 && Number.isFinite(figure)))) {
    throw errorOf(Codes.badOptions, "Times, counts and bytes are numbers above zero.");
  }
  if (options.shared !== undefined && typeof options.credentials === "function" && options.sharedAs === undefined) {
    throw errorOf(
      Codes.badOptions,
      "Say by `sharedAs` whose credentials they are, so that nobody else shares the connection.",
    );
  }
  return endpoints as readonly string[];
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
