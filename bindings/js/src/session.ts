import { statisticsOf, type ConnectionState, type Statistics } from "./connection.js";
import { Change, Hint, type Condition, type Engine, type EngineSettings, type Module } from "./engine.js";
import { Codes, errorOf, learnCodes, OutpourError } from "./errors.js";
import { watchPage } from "./lifecycle.js";
import { asyncDispose, defer, Listeners, onAbort, report, type Deferred } from "./listeners.js";
import {
  historyOf,
  type ConnectOptions,
  type FetchOptions,
  type HistoryStart,
  type PublishOptions,
  type SubscribeOptions,
  type TopicProperties,
  type WebSocketConstructor,
} from "./options.js";
import { readReplicas, type EngineEvent, type FetchedItem, type Replica, type Resumption } from "./records.js";
import { Keeper, storeOf } from "./store.js";
import { Subscription, type Followed } from "./subscription.js";
import type { Update } from "./updates.js";
import { codeOf, Value } from "./values.js";

/** The verdict on a publish that was made. */
export interface Acknowledgement {
  /** The version that it gave the topic. */
  readonly version: string;
}

/** What a fetch gave. */
export interface Fetched<T = unknown> {
  /** The values or events. */
  readonly items: readonly FetchedItem<T>[];
  /** Whether the limit kept more back. */
  readonly more: boolean;
}

/** How long `close` waits for the verdicts on what was published, in milliseconds. */
const FLUSH_MS = 5000;
/** The most publishes that wait for room in the queue. */
const MAX_WAITING = 10_000;

/** Where a module and a `WebSocket` come from: what the entries of the package differ in. @internal */
export interface Platform {
  load(): Promise<Module>;
  webSocket(): Promise<WebSocketConstructor | undefined>;
}

/**
 * A conversation with a gateway, across any number of connections. Made by {@link connect}.
 *
 * ```ts
 * import { connect } from "outpour";
 *
 * const session = connect(["wss://a.example.org", "wss://b.example.org"], { credentials: async () => "a token" });
 * session.onConnection((connection) => console.log(connection.state));
 * await session.set("rooms/7/light", { on: true });
 * console.log(session.replica("rooms/7/light")?.value); // undefined, as nothing is subscribed to
 * console.log((await session.get("rooms/7/light"))?.value); // { on: true }
 * await session.close();
 * ```
 */
export class Session {
  /** Resolves with the first connection; rejects if the session ends before that. */
  readonly ready: Promise<void>;
  /** Resolves when the session is over, with why: `undefined` after {@link close}. It never rejects. */
  readonly closed: Promise<OutpourError | undefined>;
  readonly #ready = defer<void>();
  readonly #closed = defer<OutpourError | undefined>();
  readonly #options: ConnectOptions;
  readonly #connectionListeners = new Listeners<ConnectionState>();
  readonly #resumptionListeners = new Listeners<Resumption>();
  readonly #starting = new Set<Followed>();
  readonly #subscriptions = new Map<number, Followed>();
  readonly #publishes = new Map<number, Deferred<Acknowledgement>>();
  readonly #fetches = new Map<number, Deferred<Fetched<never>>>();
  #waiting: (() => void)[] = [];
  #keeper: Keeper | undefined;
  #engine: Engine | undefined;
  /** What was asked for before the engine was there. */
  #tasks: ((engine: Engine) => void)[] = [];
  #connection: ConnectionState = { state: "connecting", attempt: 1 };
  #over: { readonly error: OutpourError | undefined } | undefined;
  #isDraining = false;
  #stops: (() => void)[] = [];

  /** @internal Use {@link connect}. */
  constructor(platform: Platform, endpoints: readonly string[], options: ConnectOptions) {
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
    this.#options = options;
    this.#stops.push(onAbort(options.signal, () => void this.close(0)));
    void this.#start(platform, endpoints);
  }

  async #start(platform: Platform, endpoints: readonly string[]): Promise<void> {
    try {
      const [module, found] = await Promise.all([
        platform.load(),
        this.#options.WebSocket ?? platform.webSocket(),
      ]);
      learnCodes(module.describeCode);
      if (found === undefined) {
        throw errorOf(Codes.badOptions, "There is no WebSocket here: install the package `ws`, or pass one as the option `WebSocket`.");
      }
      if (this.#over !== undefined) return;
      const engine = module.start(settingsOf(endpoints, this.#options), found, () =>
        queueMicrotask(() => this.#drain()),
      );
      const store = storeOf(this.#options.store, endpoints);
      if (store !== undefined) {
        this.#keeper = new Keeper(store);
        await this.#keeper.load(engine, endpoints.join(" "));
        if (this.#over !== undefined) return engine.free();
      }
      this.#engine = engine;
      for (const task of this.#tasks.splice(0)) this.#guard(() => task(engine));
      this.#guard(() => engine.connect());
      if (this.#options.lifecycle !== false) {
        const hint = (number: number): void => this.#guard(() => engine.signal(number));
        this.#stops.push(watchPage(hint, () => this.#keeper?.write()));
      }
    } catch (error) {
      const known = typeof error === "number" ? errorOf(error) : error;
      this.#finish(known instanceof OutpourError ? known : errorOf(Codes.internal, String(error), undefined, error));
    }
  }

  /** Where the connection stands. */
  get connection(): ConnectionState {
    return this.#connection;
  }

  /** Who the session is to the gateway; empty for anybody, and before the first connection. */
  get principal(): string {
    return this.#guard(() => this.#engine?.principal()) ?? "";
  }

  /** Calls back with every change of the connection, until the function it returns is called. */
  onConnection(listener: (connection: ConnectionState) => void): () => void {
    return this.#connectionListeners.add(listener);
  }

  /** Calls back after each return from a lost connection, when everything is up to date again: with what came of it. */
  onResumed(listener: (resumption: Resumption) => void): () => void {
    return this.#resumptionListeners.add(listener);
  }

  /**
   * Subscribes to the topics that match, those to come as well: `*` stands for one segment of a path, `**` for any
   * number. Read the subscription by `for await`, or give a listener, which is called with batches of updates.
   */
  subscribe<T = unknown>(
    selector: string,
    options: SubscribeOptions | ((updates: Update<T>[]) => void) = {},
    listener?: (updates: Update<T>[]) => void,
  ): Subscription<T> {
    const settings = typeof options === "function" ? {} : options;
    const listens = typeof options === "function" ? options : listener;
    const subscription = new Subscription<T>(selector, settings, (ended) => this.#forget(ended));
    if (listens !== undefined) subscription.listen(listens);
    this.#starting.add(subscription);
    this.#whenStarted(
      (engine) => {
        this.#starting.delete(subscription);
        const id = subscription.start(engine);
        if (id !== undefined) this.#subscriptions.set(id, subscription);
      },
      (error) => subscription.fail(error),
    );
    return subscription;
  }

  /** Sets a value topic, creating it if need be. Values are JSON unless they are a {@link Value}. */
  set(path: string, value: unknown, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishValue(path, Change.set, value, 0, options);
  }

  /** Appends an event to an event topic, creating it if need be. */
  append(path: string, event: unknown, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishValue(path, Change.append, event, 0, options);
  }

  /** Changes a JSON value by a merge patch (RFC 7386): members that are `null` are taken out. */
  patch(path: string, patch: unknown, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishValue(path, Change.mergePatch, patch, 0, options);
  }

  /** Changes a JSON value by a JSON Patch (RFC 6902): a list of operations. */
  jsonPatch(path: string, operations: readonly object[], options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishValue(path, Change.jsonPatch, operations, 0, options);
  }

  /** Removes a topic. */
  remove(path: string, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publish(options, (engine, condition) =>
      engine.publish(path, Change.remove, 0, new Uint8Array(), 0, condition),
    );
  }

  /** Creates a topic with properties other than the gateway's rules give it. */
  create(path: string, properties: TopicProperties, options: PublishOptions = {}): Promise<Acknowledgement> {
    const { kind, type = "json", retain = true, conflate = true, history = 100, historyAgeMs = 0 } = properties;
    const flags = (kind === "event" ? 1 : 0) | (retain ? 2 : 0) | (conflate ? 4 : 0);
    return this.#publish(options, (engine, [condition]) =>
      engine.create(path, flags, codeOf(type), history, historyAgeMs, condition),
    );
  }

  /** Opens a stream of values for one topic, of which only what changed is sent. */
  updateStream(path: string): UpdateStream {
    let opened: number | undefined;
    const stream = (engine: Engine): number => (opened ??= engine.openStream());
    return {
      path,
      set: (value, options = {}) => {
        try {
          const { type, bytes } = Value.from(value);
          return this.#publish(options, (engine, condition) =>
            engine.publish(path, Change.stream, codeOf(type), bytes, stream(engine), condition),
          );
        } catch (error) {
          return rejected(error);
        }
      },
      close: () =>
        this.#whenStarted((engine) => {
          if (opened !== undefined) engine.closeStream(opened);
        }),
    };
  }

  /** The current value of a topic, asked of the gateway; `undefined` if there is none. */
  async get<T = unknown>(path: string, options: FetchOptions = {}): Promise<FetchedItem<T> | undefined> {
    const { items } = await this.#fetch<T>(path, undefined, { ...options, limit: 1 });
    return items[0];
  }

  /** The current values of the topics that match, asked of the gateway. */
  fetch<T = unknown>(selector: string, options: FetchOptions = {}): Promise<Fetched<T>> {
    return this.#fetch<T>(selector, undefined, options);
  }

  /** Past events of the topics that match, as far as the gateway keeps them. */
  fetchEvents<T = unknown>(selector: string, from: HistoryStart, options: FetchOptions = {}): Promise<Fetched<T>> {
    return this.#fetch<T>(selector, from, options);
  }

  /** The newest value of a topic that is subscribed to, at once. */
  replica<T = unknown>(path: string): Replica<T> | undefined {
    const bytes = this.#guard(() => this.#engine?.replica(path));
    return bytes === undefined ? undefined : readReplicas<T>(bytes)[0];
  }

  /** The newest values of the topics that match and are subscribed to, in the order of their paths. */
  replicas<T = unknown>(selector = "**"): Replica<T>[] {
    const bytes = this.#guard(() => this.#engine?.replicas(selector));
    return bytes === undefined ? [] : readReplicas<T>(bytes);
  }

  /** What has been counted since the session began. */
  statistics(): Statistics {
    return statisticsOf(this.#guard(() => this.#engine?.statistics()) ?? []);
  }

  /** Asks the gateway for a sign of life, so that {@link statistics} knows the round trip. */
  ping(): void {
    this.#whenStarted((engine) => engine.ping());
  }

  /** The application is about to be suspended: sends what is due, says goodbye, and sleeps until {@link resume}. */
  suspend(): void {
    this.#keeper?.write();
    this.#whenStarted((engine) => engine.signal(Hint.suspending));
  }

  /** The application runs again: connects at once, or looks whether the connection is still there. */
  resume(): void {
    this.#whenStarted((engine) => engine.signal(Hint.resumed));
  }

  /** A hint: there is a network, perhaps another one. Browsers give it by themselves. */
  networkUp(): void {
    this.#whenStarted((engine) => engine.signal(Hint.networkUp));
  }

  /** A hint: there may be no network. Browsers give it by themselves. */
  networkDown(): void {
    this.#whenStarted((engine) => engine.signal(Hint.networkDown));
  }

  /**
   * Ends the session in order: waits up to `flushMs` milliseconds for the verdicts on what was published, and says goodbye.
   * Never rejects; gives what {@link closed} gives.
   */
  close(flushMs = FLUSH_MS): Promise<OutpourError | undefined> {
    const engine = this.#engine;
    if (engine === undefined) this.#finish(undefined);
    else this.#guard(() => engine.close(flushMs));
    return this.closed;
  }

  /** Ends the session, for `await using`. */
  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Calls the engine. A trap in it ends the session: what it left behind can't be trusted. */
  #guard<R>(call: () => R): R | undefined {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.#engine = undefined;
      this.#finish(errorOf(Codes.internal, "The WebAssembly module failed.", undefined, error));
      return undefined;
    }
  }

  #whenStarted(task: (engine: Engine) => void, otherwise?: (error: OutpourError | undefined) => void): void {
    const engine = this.#engine;
    if (this.#over !== undefined) otherwise?.(this.#over.error ?? errorOf(Codes.closed));
    else if (engine === undefined) this.#tasks.push(task);
    else this.#guard(() => task(engine));
  }

  #publishValue(path: string, change: number, value: unknown, stream: number, options: PublishOptions): Promise<Acknowledgement> {
    try {
      const { type, bytes } = Value.from(value);
      return this.#publish(options, (engine, condition) =>
        engine.publish(path, change, codeOf(type), bytes, stream, condition),
      );
    } catch (error) {
      return rejected(error);
    }
  }

  #publish(options: PublishOptions, send: (engine: Engine, condition: Condition) => number): Promise<Acknowledgement> {
    const verdict = defer<Acknowledgement>();
    const stop = onAbort(options.signal, verdict.reject);
    void verdict.promise.finally(stop).catch(() => {});
    if (options.signal?.aborted === true) return verdict.promise;
    try {
      const condition = conditionOf(options);
      const attempt = (engine: Engine): void => {
        const ticket = send(engine, condition);
        if (ticket >= 0) this.#publishes.set(ticket, verdict);
        else if (ticket === -Codes.queueFull && this.#options.queue?.whenFull === "wait" && this.#waiting.length < MAX_WAITING) {
          this.#waiting.push(() => this.#whenStarted(attempt, verdict.reject));
        } else verdict.reject(errorOf(-ticket));
      };
      this.#whenStarted(attempt, verdict.reject);
      if (this.#engine === undefined && this.#over === undefined) this.#unsent.add(verdict);
    } catch (error) {
      verdict.reject(error);
    }
    return verdict.promise;
  }

  /** What was asked for before the engine was there, to be told if it never will be. */
  readonly #unsent = new Set<Deferred<never> | Deferred<Acknowledgement>>();

  #fetch<T>(selector: string, from: HistoryStart | undefined, options: FetchOptions): Promise<Fetched<T>> {
    const { limit = 1000, signal } = options;
    const answer = defer<Fetched<T>>();
    let id: number | undefined;
    const stop = onAbort(signal, (reason) => {
      answer.reject(reason);
      const asked = id;
      if (asked !== undefined && this.#fetches.delete(asked)) this.#whenStarted((engine) => engine.cancelFetch(asked));
    });
    void answer.promise.finally(stop).catch(() => {});
    if (signal?.aborted === true) return answer.promise;
    const ask = (engine: Engine): void => {
      if (signal?.aborted === true) return;
      const asked = engine.fetch(selector, from === undefined ? undefined : historyOf(from), limit);
      if (asked < 0) return answer.reject(errorOf(-asked));
      id = asked;
      this.#fetches.set(asked, answer as unknown as Deferred<Fetched<never>>);
    };
    this.#whenStarted(ask, answer.reject);
    if (this.#engine === undefined && this.#over === undefined) this.#unsent.add(answer as unknown as Deferred<never>);
    return answer.promise;
  }

  #forget(subscription: Followed): void {
    this.#starting.delete(subscription);
    for (const [id, held] of this.#subscriptions) if (held === subscription) this.#subscriptions.delete(id);
  }

  /** Hears what the engine has to say. */
  #drain(): void {
    if (this.#isDraining || this.#engine === undefined) return;
    this.#isDraining = true;
    try {
      for (let events = this.#events(); events.length > 0; events = this.#events()) {
        for (const event of events) this.#handle(event);
      }
    } finally {
      this.#isDraining = false;
    }
  }

  #events(): EngineEvent[] {
    return this.#guard(() => this.#engine?.events()) ?? [];
  }

  #handle(event: EngineEvent): void {
    switch (event.kind) {
      case "readable":
        this.#keeper?.note();
        return this.#guard(() => this.#subscriptions.get(event.id)?.wake());
      case "settled":
        return this.#settle(event);
      case "fetched":
        return this.#answer(event);
      case "subscribed":
        return this.#subscriptions.get(event.id)?.complete(event.topics);
      case "refused": {
        const subscription = this.#subscriptions.get(event.id);
        this.#subscriptions.delete(event.id);
        return subscription?.fail(errorOf(event.code));
      }
      case "credentials":
        return void this.#provide(event.id, event.expired);
      case "resumed":
        return this.#resumptionListeners.tell(event.resumption);
      case "closed":
        return this.#finish(event.code === Codes.closed ? undefined : errorOf(event.code, event.detail));
      default:
        return this.#note(event);
    }
  }

  #note(event: EngineEvent): void {
    if (event.kind === "connecting") this.#connection = { state: "connecting", attempt: event.attempt };
    else if (event.kind === "suspended") this.#connection = { state: "suspended" };
    else if (event.kind === "connected" || event.kind === "moved") {
      this.#connection = { state: "connected", epoch: event.epoch };
      this.#ready.resolve();
    } else if (event.kind === "disconnected") {
      const error = errorOf(event.code, event.detail);
      this.#connection = { state: "disconnected", error, retryInMs: event.retryInMs < 0 ? undefined : event.retryInMs };
    } else return;
    this.#connectionListeners.tell(this.#connection);
  }

  #settle({ ticket, code, version }: EngineEvent & { kind: "settled" }): void {
    const verdict = this.#publishes.get(ticket);
    this.#publishes.delete(ticket);
    if (code === 0) verdict?.resolve({ version });
    else verdict?.reject(errorOf(code, "", version));
    for (const retry of this.#waiting.splice(0)) retry();
  }

  #answer({ id, code, items, more }: EngineEvent & { kind: "fetched" }): void {
    const answer = this.#fetches.get(id);
    this.#fetches.delete(id);
    if (code === 0) answer?.resolve({ items: items as FetchedItem<never>[], more });
    else answer?.reject(errorOf(code));
  }

  async #provide(question: number, expired: boolean): Promise<void> {
    const { credentials } = this.#options;
    let bytes: Uint8Array | undefined;
    let problem = "";
    try {
      const given = typeof credentials === "function" ? await credentials(expired) : credentials;
      bytes = typeof given === "string" ? new TextEncoder().encode(given) : given;
      if (!(bytes instanceof Uint8Array)) throw new TypeError("credentials are a string or bytes");
    } catch (error) {
      bytes = undefined;
      problem = String(error);
    }
    this.#whenStarted((engine) => engine.provide(question, bytes, problem));
  }

  /** The end: everything that waits is told so. */
  #finish(error: OutpourError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    const reason = error ?? errorOf(Codes.closed);
    for (const subscription of [...this.#starting, ...this.#subscriptions.values()]) subscription.fail(error);
    for (const waiting of [...this.#publishes.values(), ...this.#fetches.values(), ...this.#unsent]) waiting.reject(reason);
    this.#publishes.clear();
    this.#fetches.clear();
    this.#unsent.clear();
    this.#tasks = [];
    for (const retry of this.#waiting.splice(0)) retry();
    for (const stop of this.#stops.splice(0)) stop();
    this.#ready.reject(reason);
    this.#connection = { state: "closed", error };
    void this.#release().then(() => {
      this.#connectionListeners.tell(this.#connection);
      this.#closed.resolve(error);
    });
  }

  /** Gives the engine back, once its last events are heard and the store is written. */
  async #release(): Promise<void> {
    try {
      await this.#keeper?.end();
      await Promise.resolve();
      this.#engine?.free();
    } catch (error) {
      report(error);
    }
    this.#engine = undefined;
  }
}

/** A stream of values for one topic, of which only what changed is sent. Made by {@link Session.updateStream}. */
export interface UpdateStream {
  /** The topic. */
  readonly path: string;
  /** Sets the topic. */
  set(value: unknown, options?: PublishOptions): Promise<Acknowledgement>;
  /** Ends the stream. What is on its way is still settled. */
  close(): void;
}

function rejected(error: unknown): Promise<never> {
  const { promise, reject } = defer<never>();
  reject(error);
  return promise;
}

function conditionOf({ ifVersion, ifAbsent }: PublishOptions): Condition {
  if (ifVersion !== undefined && ifAbsent === true) throw errorOf(Codes.badOptions, "Give `ifVersion` or `ifAbsent`, not both.");
  if (ifAbsent === true) return [1, 0n];
  if (ifVersion === undefined) return [0, 0n];
  if (!/^\d{1,20}$/.test(ifVersion)) throw errorOf(Codes.badOptions, "`ifVersion` is a version: a decimal number.");
  return [2, BigInt(ifVersion)];
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

/** @internal What `connect` does, before anything is loaded: whatever is wrong with the call is thrown at once. */
export function open(platform: Platform, urls: string | readonly string[], options: ConnectOptions = {}): Session {
  const endpoints: readonly unknown[] = typeof urls === "string" ? [urls] : Array.isArray(urls) ? urls : [];
  if (endpoints.length === 0) throw errorOf(Codes.badEndpoint, "There is no address.");
  for (const text of endpoints) {
    const url = typeof text === "string" && !/\s/.test(text) ? parse(text) : undefined;
    if (url === undefined || (url.protocol !== "ws:" && url.protocol !== "wss:")) {
      throw errorOf(Codes.badEndpoint, `${JSON.stringify(text)} does not start with ws:// or wss://.`);
    }
    if (url.username !== "" || url.hash !== "") throw errorOf(Codes.badEndpoint, `${url.host}: an address has neither a user nor a fragment.`);
  }
  const figures = [options.connectTimeoutMs, options.backoff?.baseMs, options.backoff?.capMs, options.queue?.maxCount, options.queue?.maxBytes];
  if (figures.some((figure) => figure !== undefined && !(figure > 0 && Number.isFinite(figure)))) {
    throw errorOf(Codes.badOptions, "Times, counts and bytes are numbers above zero.");
  }
  return new Session(platform, endpoints as readonly string[], options);
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
