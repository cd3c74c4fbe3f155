import type { Condition, Engine } from "../engine.js";
import { Codes, Hint } from "../numbers.js";
import type { EngineEvent, MissedEvents, Replica } from "../records.js";
import type { Update } from "../updates.js";
import { FollowedTopics } from "./followed.js";
import { Histories } from "./histories.js";
import type { Link } from "./link.js";
import type { Report, Request } from "./messages.js";
import { Mirror } from "./mirror.js";
import type { Library } from "./tab.js";

/** How long until a worker that could not be reached again is tried anew, in milliseconds. */
const RETRY_MS = 2000;
/** The last event of each topic, as the module numbers it. */
const LAST_EVENT = [2, 1n] as const;
/** As many publishes may wait for their verdict, unless the session was told otherwise. */
const MOST_PUBLISHES = 10_000;

/** What an engine in a worker that tabs share is, to one of them. */
export class RemoteEngine implements Engine {
  readonly #open: () => Promise<Link>;
  readonly #library: Library;
  readonly #ready: () => void;
  readonly #mostPublishes: number;
  readonly #mirror = new Mirror();
  readonly #followed = new Map<number, FollowedTopics>();
  readonly #streams = new Set<number>();
  readonly #publishes = new Set<number>();
  readonly #fetches = new Map<number, Request>();
  readonly #histories = new Histories(this.fetch.bind(this), this.cancelFetch.bind(this));
  /** Publishes that were made without a worker. */
  #unsent: Request[] = [];
  #link: Link | undefined;
  #isAway = false;
  #isFreed = false;
  #wasLost = false;
  /** After the tab was away: since when, and which subscriptions have yet to hear of it. */
  #returning: { since: number; ids: Set<number> } | undefined;
  #leftAt = 0;
  #last = 0;
  #events: EngineEvent[] = [];
  #statistics: ArrayLike<number> = [];
  #principal = "";
  #epoch = "";

  /** `link` is the first one; `open` makes those that follow. */
  constructor(
    link: Link,
    open: () => Promise<Link>,
    library: Library,
    ready: () => void,
    mostPublishes: number | undefined,
  ) {
    this.#open = open;
    this.#library = library;
    this.#ready = ready;
    this.#mostPublishes = mostPublishes || MOST_PUBLISHES;
    this.#use(link);
  }

  /** The worker has connected already. */
  connect(): void {}

  close(flushMs: number): void {
    if (this.#link === undefined) this.#tell({ kind: "closed", code: Codes.closed, detail: "" });
    else this.#post(["close", flushMs]);
  }

  free(): void {
    this.#isFreed = true;
    this.#leave();
  }

  events(): EngineEvent[] {
    return this.#events.splice(0);
  }

  take<T>(id: number): Update<T>[] {
    const followed = this.#followed.get(id);
    const updates = followed?.take() ?? [];
    if (followed?.isLent === true) {
      followed.isLent = false;
      this.#post(["more", id]);
    }
    return updates as Update<T>[];
  }

  subscribe(selector: string, maxRate: number, from: readonly [number, bigint]): number {
    const id = ++this.#last;
    const followed = new FollowedTopics(selector, maxRate, from, this.#mirror, this.#library.Update);
    this.#followed.set(id, followed);
    this.#follow(id, followed);
    return id;
  }

  unsubscribe(id: number): void {
    this.#followed.get(id)?.end();
    if (this.#followed.delete(id)) this.#post(["unsubscribe", id]);
    this.#histories.forget(id);
    this.#returned(id);
  }

  publish(path: string, change: number, type: number, bytes: Uint8Array, stream: number, condition: Condition): number {
    return this.#publish((ticket) => ["publish", ticket, path, change, type, bytes, stream, condition]);
  }

  create(path: string, flags: number, type: number, history: number, historyAgeMs: number, condition: number): number {
    return this.#publish((ticket) => ["create", ticket, path, flags, type, history, historyAgeMs, condition]);
  }

  openStream(): number {
    const id = ++this.#last;
    this.#streams.add(id);
    this.#post(["openStream", id]);
    return id;
  }

  closeStream(id: number): void {
    if (this.#streams.delete(id)) this.#post(["closeStream", id]);
  }

  fetch(selector: string, history: readonly [number, bigint] | undefined, limit: number): number {
    const id = ++this.#last;
    const request: Request = ["fetch", id, selector, history, limit];
    this.#fetches.set(id, request);
    this.#post(request);
    return id;
  }

  cancelFetch(id: number): void {
    if (this.#fetches.delete(id)) this.#post(["cancelFetch", id]);
  }

  replica<T>(path: string): Replica<T> | undefined {
    return this.#mirror.get(path) as Replica<T> | undefined;
  }

  replicas<T>(selector: string): Replica<T>[] {
    return this.#mirror.matching(selector) as Replica<T>[];
  }

  /** A tab that is put to sleep leaves: what is its own ends, and others go on. */
  signal(hint: number): void {
    if (hint === Hint.suspending) {
      if (this.#isAway) return;
      this.#isAway = true;
      this.#leave();
      this.#tell({ kind: "suspended" });
    } else if (hint === Hint.resumed && this.#isAway) {
      this.#isAway = false;
      void this.#attach();
    } else this.#post(["signal", hint]);
  }

  ping(): void {
    this.#post(["ping"]);
  }

  /** What was counted when the worker spoke last, which is asked to speak again. */
  statistics(): ArrayLike<number> {
    this.#post(["count"]);
    return this.#statistics;
  }

  principal(): string {
    return this.#principal;
  }

  provide(question: number, credentials: Uint8Array | undefined, problem: string): void {
    this.#post(["provide", question, credentials, problem]);
  }

  /** The worker writes the store. */
  export(): Uint8Array {
    return new Uint8Array();
  }

  /** The worker reads the store. */
  import(): number {
    return 0;
  }

  #follow(id: number, followed: FollowedTopics): void {
    this.#post(["subscribe", id, followed.selector, followed.maxRate]);
    const from = followed.history();
    if (from !== undefined) this.#histories.want({ subscription: id, selector: followed.selector, from });
  }

  #publish(request: (ticket: number) => Request): number {
    if (this.#publishes.size + this.#unsent.length >= this.#mostPublishes) return -Codes.queueFull;
    const ticket = ++this.#last;
    if (this.#link === undefined) this.#unsent.push(request(ticket));
    else {
      this.#publishes.add(ticket);
      this.#post(request(ticket));
    }
    return ticket;
  }

  #post(request: Request): void {
    this.#link?.post(request);
  }

  #tell(...events: EngineEvent[]): void {
    this.#events.push(...events);
    this.#ready();
  }

  async #attach(): Promise<void> {
    let link: Link;
    try {
      link = await this.#open();
    } catch (error) {
      if (this.#isFreed || this.#isAway) return;
      this.#tell({ kind: "disconnected", code: Codes.connectionLost, detail: String(error), retryInMs: RETRY_MS });
      return void setTimeout(() => {
        if (!this.#isFreed && !this.#isAway && this.#link === undefined) void this.#attach();
      }, RETRY_MS);
    }
    if (this.#isFreed || this.#isAway || this.#link !== undefined) return link.leave();
    this.#use(link);
    for (const id of this.#streams) this.#post(["openStream", id]);
    this.#returning = { since: this.#leftAt, ids: new Set(this.#followed.keys()) };
    this.#histories.clear();
    for (const request of this.#fetches.values()) this.#post(request);
    for (const [id, followed] of this.#followed) {
      followed.revisit();
      this.#follow(id, followed);
    }
    for (const request of this.#unsent.splice(0)) {
      this.#publishes.add(request[1] as number);
      this.#post(request);
    }
  }

  #use(link: Link): void {
    this.#link = link;
    this.#wasLost = false;
    link.listen((report) => {
      if (this.#link === link) this.#hear(report);
    });
    void link.gone.then(() => {
      if (this.#link !== link) return;
      // The worker has died: the next one goes on.
      this.#leave();
      this.#tell({ kind: "disconnected", code: Codes.connectionLost, detail: "The shared worker has ended.", retryInMs: 0 });
      void this.#attach();
    });
  }

  #leave(): void {
    const link = this.#link;
    this.#link = undefined;
    this.#mirror.isLive = false;
    this.#leftAt = performance.now();
    link?.leave();
    if (this.#publishes.size === 0) return;
    // The verdict on these is not known: the worker makes the changes all the same, but nobody is there to be told.
    const tickets = [...this.#publishes];
    this.#publishes.clear();
    this.#tell(...tickets.map((ticket) => ({ kind: "settled", ticket, code: Codes.connectionLost, version: "0" }) as const));
  }

  #hear({ updates, events, statistics, principal }: Report): void {
    this.#statistics = statistics;
    this.#principal = principal;
    for (const [id, batch] of updates) {
      const followed = this.#followed.get(id);
      if (followed === undefined) continue;
      followed.isLent = true;
      if (followed.tell(this.#library.readUpdates(batch))) this.#events.push({ kind: "readable", id });
    }
    for (const event of events) this.#note(event);
    this.#returned();
    this.#ready();
    // By then listeners have taken what there was.
    queueMicrotask(() => queueMicrotask(() => this.#acknowledge(updates)));
  }

  #acknowledge(updates: Report["updates"]): void {
    const taken: number[] = [];
    for (const [id] of updates) {
      const followed = this.#followed.get(id);
      if (followed?.isLent !== true || !followed.hasRoom) continue;
      followed.isLent = false;
      taken.push(id);
    }
    this.#post(["read", taken]);
  }

  #note(event: EngineEvent): void {
    if (event.kind === "settled") this.#publishes.delete(event.ticket);
    else if (event.kind === "fetched") {
      this.#fetches.delete(event.id);
      if (this.#histories.has(event.id)) return this.#tellHistory(event);
    } else if (event.kind === "subscribed") {
      if (this.#followed.get(event.id)?.confirm() === true) this.#events.push({ kind: "readable", id: event.id });
    } else if (event.kind === "refused") this.#forget(event.id);
    else if (event.kind === "moved") this.#epoch = event.epoch;
    else if (event.kind === "connected") {
      this.#epoch = event.epoch;
      this.#mirror.isLive ||= !this.#wasLost;
    } else if (event.kind === "resumed") {
      this.#mirror.isLive = true;
      this.#mirror.round++;
    } else if (event.kind === "disconnected" || event.kind === "suspended") {
      this.#mirror.isLive = false;
      this.#wasLost = true;
    }
    this.#events.push(event);
    if (event.kind === "subscribed" || event.kind === "refused") this.#returned(event.id);
  }

  /** The return is complete when every subscription has heard of all its topics. */
  #returned(id?: number): void {
    const returning = this.#returning;
    if (returning === undefined) return;
    if (id !== undefined && this.#followed.get(id)?.isReturning !== true) returning.ids.delete(id);
    if (returning.ids.size > 0 || !this.#mirror.isLive) return;
    this.#returning = undefined;
    const { since } = returning;
    const missed = [...this.#followed.values()].flatMap((followed) =>
      followed.missed.splice(0).map(({ path, sequence, last }): MissedEvents => ({ path, first: sequence, last })),
    );
    const outcome = missed.length === 0 ? "complete" : "gaps";
    this.#tell({ kind: "resumed", resumption: { awayMs: performance.now() - since, outcome, missed, more: 0 } });
  }

  #tellHistory({ id, code, items }: EngineEvent & { kind: "fetched" }): void {
    const wanted = this.#histories.answer(id, code);
    const followed = this.#followed.get(wanted?.subscription ?? 0);
    if (wanted === undefined || followed === undefined) return;
    const { subscription, from } = wanted;
    if (code !== 0) {
      // Without its past a subscription would lack events, and nobody would know.
      this.#post(["unsubscribe", subscription]);
      this.#forget(subscription);
      this.#events.push({ kind: "refused", id: subscription, code });
    } else {
      let isNews = followed.tellHistory(items, this.#epoch);
      if (from === LAST_EVENT) isNews = followed.confirmEvents() || isNews;
      else if (followed.isInDoubt) this.#histories.want({ ...wanted, from: LAST_EVENT });
      if (isNews) this.#events.push({ kind: "readable", id: subscription });
    }
    this.#returned(subscription);
  }

  #forget(id: number): void {
    this.#followed.get(id)?.end();
    this.#followed.delete(id);
  }
}
