import { statisticsOf, type ConnectionState, type Statistics } from "./connection.js";
import type { Engine } from "./engine.js";
import { errorOf, OutpourError } from "./errors.js";
import { Fetching, type Fetched } from "./fetching.js";
import { checkCall, launch, type Platform } from "./launch.js";
import { watchPage } from "./lifecycle.js";
import { asyncDispose, defer, Listeners, onAbort, report } from "./listeners.js";
import { Change, Codes, Hint } from "./numbers.js";
import type {
  ConnectOptions,
  FetchOptions,
  HistoryStart,
  PublishOptions,
  SubscribeOptions,
  TopicProperties,
} from "./options.js";
import { Publishing, type Acknowledgement, type UpdateStream } from "./publishing.js";
import type { EngineEvent, FetchedItem, Replica, Resumption } from "./records.js";
import type { Keeper } from "./store.js";
import { Subscription, type Followed } from "./subscription.js";
import type { Update } from "./updates.js";
import { codeOf } from "./values.js";

/** How long `close` waits for the verdicts on what was published, in milliseconds. */
const FLUSH_MS = 5000;

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
  readonly #publishing: Publishing;
  readonly #fetching: Fetching;
  #keeper: Keeper | undefined;
  #engine: Engine | undefined;
  /** What was asked for before the engine was there. */
  #tasks: ((engine: Engine) => void)[] = [];
  #connection: ConnectionState = { state: "connecting", attempt: 1 };
  #over: { readonly error: OutpourError | undefined } | undefined;
  #isShared = false;
  #isDraining = false;
  #stops: (() => void)[] = [];

  /** @internal Use {@link connect}. */
  constructor(platform: Platform, endpoints: readonly string[], options: ConnectOptions) {
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
    this.#options = options;
    const whenStarted = this.#whenStarted.bind(this);
    this.#publishing = new Publishing(options.queue, whenStarted);
    this.#fetching = new Fetching(whenStarted);
    this.#stops.push(onAbort(options.signal, () => void this.close(0)));
    void this.#start(platform, endpoints);
  }

  async #start(platform: Platform, endpoints: readonly string[]): Promise<void> {
    try {
      const ready = (): void => queueMicrotask(() => this.#drain());
      const { engine, isShared, keeper } = await launch(platform, endpoints, this.#options, ready);
      if (this.#over !== undefined) {
        await keeper?.end();
        return engine.free();
      }
      this.#keeper = keeper;
      this.#isShared = isShared;
      this.#engine = engine;
      for (const task of this.#tasks.splice(0)) this.#guard(() => task(engine));
      this.#guard(() => engine.connect());
      ready();
      if (this.#options.lifecycle !== false) {
        const hint = (number: number): void => this.#guard(() => engine.signal(number));
        this.#stops.push(watchPage(hint, () => this.#keeper?.write()));
      }
    } catch (error) {
      this.#finish(error instanceof OutpourError ? error : errorOf(Codes.internal, String(error), undefined, error));
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

  /**
   * Whether other tabs use the connection as well. It is known when {@link ready} resolves: where tabs can't share, the
   * session has a connection of its own.
   */
  get shared(): boolean {
    return this.#isShared;
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
    return this.#publishing.value(path, Change.set, value, options);
  }

  /** Appends an event to an event topic, creating it if need be. */
  append(path: string, event: unknown, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishing.value(path, Change.append, event, options);
  }

  /** Changes a JSON value by a merge patch (RFC 7386): members that are `null` are taken out. */
  patch(path: string, patch: unknown, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishing.value(path, Change.mergePatch, patch, options);
  }

  /** Changes a JSON value by a JSON Patch (RFC 6902): a list of operations. */
  jsonPatch(path: string, operations: readonly object[], options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishing.value(path, Change.jsonPatch, operations, options);
  }

  /** Removes a topic. */
  remove(path: string, options: PublishOptions = {}): Promise<Acknowledgement> {
    return this.#publishing.publish(options, (engine, condition) =>
      engine.publish(path, Change.remove, 0, new Uint8Array(), 0, condition),
    );
  }

  /** Creates a topic with properties other than the gateway's rules give it. */
  create(path: string, properties: TopicProperties, options: PublishOptions = {}): Promise<Acknowledgement> {
    const { kind, type = "json", retain = true, conflate = true, history = 100, historyAgeMs = 0 } = properties;
    const flags = (kind === "event" ? 1 : 0) | (retain ? 2 : 0) | (conflate ? 4 : 0);
    return this.#publishing.publish(options, (engine, [condition]) =>
      engine.create(path, flags, codeOf(type), history, historyAgeMs, condition),
    );
  }

  /** Opens a stream of values for one topic, of which only what changed is sent. */
  updateStream(path: string): UpdateStream {
    return this.#publishing.stream(path);
  }

  /** The current value of a topic, asked of the gateway; `undefined` if there is none. */
  async get<T = unknown>(path: string, options: FetchOptions = {}): Promise<FetchedItem<T> | undefined> {
    const { items } = await this.#fetching.fetch<T>(path, undefined, { ...options, limit: 1 });
    return items[0];
  }

  /** The current values of the topics that match, asked of the gateway. */
  fetch<T = unknown>(selector: string, options: FetchOptions = {}): Promise<Fetched<T>> {
    return this.#fetching.fetch<T>(selector, undefined, options);
  }

  /** Past events of the topics that match, as far as the gateway keeps them. */
  fetchEvents<T = unknown>(selector: string, from: HistoryStart, options: FetchOptions = {}): Promise<Fetched<T>> {
    return this.#fetching.fetch<T>(selector, from, options);
  }

  /** The newest value of a topic that is subscribed to, at once. */
  replica<T = unknown>(path: string): Replica<T> | undefined {
    return this.#guard(() => this.#engine?.replica<T>(path));
  }

  /** The newest values of the topics that match and are subscribed to, in the order of their paths. */
  replicas<T = unknown>(selector = "**"): Replica<T>[] {
    return this.#guard(() => this.#engine?.replicas<T>(selector)) ?? [];
  }

  /** What has been counted since the session began. Of a connection that tabs share: what was known when it was last asked for. */
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

  #whenStarted(task: (engine: Engine) => void, otherwise?: (error: OutpourError) => void): void {
    const engine = this.#engine;
    // What waited when the session ended was told why; what is called on it later is told that it is over.
    if (this.#over !== undefined) otherwise?.(errorOf(Codes.closed, "", undefined, this.#over.error));
    else if (engine === undefined) this.#tasks.push(task);
    else this.#guard(() => task(engine));
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
        return this.#publishing.settle(event);
      case "fetched":
        return this.#fetching.answer(event);
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
    this.#tasks = [];
    this.#publishing.end(reason);
    this.#fetching.end(reason);
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

/** @internal What `connect` does. */
export function open(platform: Platform, urls: string | readonly string[], options: ConnectOptions = {}): Session {
  return new Session(platform, checkCall(urls, options), options);
}
