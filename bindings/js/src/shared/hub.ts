import type { Engine, LocalEngine } from "../engine.js";
import { report } from "../listeners.js";
import { Codes } from "../numbers.js";
import type { EngineEvent } from "../records.js";
import type { Keeper } from "../store.js";
import { Member } from "./member.js";
import type { Hello, Request } from "./messages.js";

/** How long a connection that nobody uses is kept, in milliseconds: a page that is loaded anew goes on with it. */
const GRACE_MS = 3000;
/** How long the end waits for verdicts, in milliseconds. */
const FLUSH_MS = 5000;
/** How long a tab may take to get credentials, in milliseconds, until another one is asked. */
const CREDENTIALS_MS = 10_000;
/** The most publishes that wait for room in the queue. */
const MOST_WAITING = 10_000;

/** From now on. */
const LIVE = [1, 0n] as const;

/** Starts the engine of a hub. */
export type StartEngine = (ready: () => void) => LocalEngine;

/** One connection, and the tabs that share it. */
export class Hub {
  readonly #engine: LocalEngine;
  readonly #keeper: Keeper | undefined;
  readonly #ended: () => void;
  readonly #members = new Set<Member>();
  readonly #followers = new Map<number, Member>();
  readonly #publishes = new Map<number, readonly [Member, ticket: number]>();
  readonly #fetches = new Map<number, readonly [Member, id: number]>();
  #waiting: (() => void)[] = [];
  #question: { readonly id: number; readonly expired: boolean; asked: Member | undefined } | undefined;
  #questionTimer: ReturnType<typeof setTimeout> | undefined;
  /** Where the connection stands. */
  #state: EngineEvent = { kind: "connecting", attempt: 1 };
  #lastLeft: Member | undefined;
  #isDraining = false;
  #isOver = false;

  constructor(start: StartEngine, keeper: Keeper | undefined, ended: () => void) {
    this.#engine = start(() => queueMicrotask(() => this.#drain()));
    this.#keeper = keeper;
    this.#ended = ended;
  }

  /** Whether the session has ended: nobody can join it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Takes up what is stored, and connects. */
  async connect(store: string): Promise<void> {
    await this.#keeper?.load(this.#engine, store);
    this.#guard((engine) => engine.connect());
  }

  /** A tab comes. */
  join(port: MessagePort, { waits }: Hello): Member {
    const member = new Member(port, this.#engine, waits);
    this.#members.add(member);
    member.note(this.#state);
    if (this.#question !== undefined && this.#question.asked === undefined) this.#ask();
    this.#pump(member);
    return member;
  }

  /**
   * A tab goes: what was its own ends. What the last one followed is held for the time of grace, for whoever comes in its
   * place.
   */
  leave(member: Member): void {
    if (!this.#members.delete(member) || this.#isOver) return;
    this.#guard((engine) => {
      for (const id of member.streams.values()) engine.closeStream(id);
      for (const [id, [asker]] of this.#fetches) {
        if (asker !== member) continue;
        this.#fetches.delete(id);
        engine.cancelFetch(id);
      }
    });
    if (this.#question?.asked === member) this.#ask();
    if (this.#members.size > 0) return this.#unfollow(member);
    this.#keeper?.write();
    this.#lastLeft = member;
    setTimeout(() => {
      if (this.#members.size === 0 && this.#lastLeft === member) this.#end();
      else this.#unfollow(member);
    }, GRACE_MS);
  }

  #unfollow(member: Member): void {
    this.#guard((engine) => {
      for (const id of member.subscriptions.values()) {
        this.#followers.delete(id);
        engine.unsubscribe(id);
      }
    });
  }

  /** A tab asks for something. */
  handle(member: Member, request: Request): void {
    if (this.#isOver || !this.#members.has(member)) return;
    this.#guard((engine) => this.#do(engine, member, request));
    this.#pump(member);
  }

  #do(engine: Engine, member: Member, request: Request): void {
    switch (request[0]) {
      case "subscribe": {
        const [, name, selector, maxRate] = request;
        // The gateway tells a topic once, to whichever tab was first: of past events a tab asks by itself.
        const id = engine.subscribe(selector, maxRate, LIVE);
        if (id < 0) return member.note({ kind: "refused", id: name, code: -id });
        member.follow(name, id);
        return void this.#followers.set(id, member);
      }
      case "unsubscribe": {
        const id = member.unfollow(request[1]);
        if (id === undefined) return;
        this.#followers.delete(id);
        return engine.unsubscribe(id);
      }
      case "publish": {
        const [, ticket, path, change, type, bytes, stream, condition] = request;
        const opened = member.streams.get(stream) ?? 0;
        return this.#publish(member, ticket, () => engine.publish(path, change, type, bytes, opened, condition));
      }
      case "create": {
        const [, ticket, ...rest] = request;
        return this.#publish(member, ticket, () => engine.create(...rest));
      }
      case "openStream":
        return void member.streams.set(request[1], engine.openStream());
      case "closeStream": {
        const id = member.streams.get(request[1]);
        if (member.streams.delete(request[1]) && id !== undefined) engine.closeStream(id);
        return;
      }
      case "fetch": {
        const [, name, selector, history, limit] = request;
        const id = engine.fetch(selector, history, limit);
        if (id < 0) return member.note({ kind: "fetched", id: name, code: -id, more: false, items: [] });
        return void this.#fetches.set(id, [member, name]);
      }
      case "cancelFetch":
        for (const [id, [asker, name]] of this.#fetches) {
          if (asker !== member || name !== request[1]) continue;
          this.#fetches.delete(id);
          engine.cancelFetch(id);
        }
        return;
      case "signal":
        return engine.signal(request[1]);
      case "ping":
        return engine.ping();
      case "count":
        return member.count();
      case "provide":
        return this.#provide(engine, request[1], request[2], request[3]);
      case "read":
        return member.read(request[1]);
      case "more":
        return member.more(request[1]);
      case "close":
        return this.#close(member, request[1]);
      case "leave":
        return this.leave(member);
    }
  }

  #publish(member: Member, ticket: number, send: () => number): void {
    const sent = send();
    if (sent >= 0) {
      member.unsettled++;
      return void this.#publishes.set(sent, [member, ticket]);
    }
    if (sent === -Codes.queueFull && member.waits && this.#waiting.length < MOST_WAITING) {
      member.unsettled++;
      return void this.#waiting.push(() => {
        member.unsettled--;
        this.#guard(() => this.#publish(member, ticket, send));
      });
    }
    member.note({ kind: "settled", ticket, code: -sent, version: "0" });
  }

  /** Credentials come from a tab that lives: if it dies, or takes long, from the next one. */
  #ask(): void {
    const question = this.#question;
    if (question === undefined) return;
    clearTimeout(this.#questionTimer);
    const members = [...this.#members];
    const next = members[(question.asked === undefined ? 0 : members.indexOf(question.asked) + 1) % members.length];
    question.asked = next;
    if (next === undefined) return;
    next.note({ kind: "credentials", id: question.id, expired: question.expired });
    this.#pump(next);
    if (members.length > 1) this.#questionTimer = setTimeout(() => this.#ask(), CREDENTIALS_MS);
  }

  #provide(engine: Engine, id: number, credentials: Uint8Array | undefined, problem: string): void {
    if (this.#question?.id !== id) return;
    clearTimeout(this.#questionTimer);
    this.#question = undefined;
    engine.provide(id, credentials, problem);
  }

  /** A tab ends its session in order: when its publishes are settled, or the time is over. */
  #close(member: Member, flushMs: number): void {
    const timer = setTimeout(() => member.whenSettled?.(), flushMs);
    member.whenSettled = () => {
      clearTimeout(timer);
      member.whenSettled = undefined;
      member.note({ kind: "closed", code: Codes.closed, detail: "" });
      this.#pump(member);
    };
    if (member.unsettled === 0) member.whenSettled();
  }

  #drain(): void {
    if (this.#isDraining || this.#isOver) return;
    this.#isDraining = true;
    try {
      for (let events = this.#events(); events.length > 0; events = this.#events()) {
        for (const event of events) this.#route(event);
      }
    } finally {
      this.#isDraining = false;
    }
    for (const member of this.#members) this.#pump(member);
  }

  #events(): EngineEvent[] {
    return this.#isOver ? [] : (this.#guard((engine) => engine.events()) ?? []);
  }

  #route(event: EngineEvent): void {
    switch (event.kind) {
      case "readable":
        this.#keeper?.note();
        return this.#followers.get(event.id)?.noteReadable(event.id);
      case "subscribed":
        return this.#followers.get(event.id)?.noteComplete(event.id, event.topics);
      case "refused":
        return this.#refuse(event.id, event.code);
      case "settled": {
        const [member, ticket] = this.#publishes.get(event.ticket) ?? [];
        this.#publishes.delete(event.ticket);
        member?.note({ ...event, ticket: ticket ?? 0 });
        if (member !== undefined && --member.unsettled === 0) member.whenSettled?.();
        for (const retry of this.#waiting.splice(0)) retry();
        return;
      }
      case "fetched": {
        const [member, id] = this.#fetches.get(event.id) ?? [];
        this.#fetches.delete(event.id);
        return member?.note({ ...event, id: id ?? 0 });
      }
      case "credentials":
        this.#question = { id: event.id, expired: event.expired, asked: undefined };
        return this.#ask();
      case "closed":
        return this.#finish(event);
      default:
        if (event.kind !== "resumed" && event.kind !== "moving") this.#state = event;
        for (const member of this.#members) member.note(event);
    }
  }

  #refuse(id: number, code: number): void {
    const member = this.#followers.get(id);
    this.#followers.delete(id);
    for (const [name, held] of member?.subscriptions ?? []) {
      if (held !== id) continue;
      member?.unfollow(name);
      member?.note({ kind: "refused", id: name, code });
    }
  }

  /** A trap in the engine ends all sessions of it. */
  #guard<R>(call: (engine: LocalEngine) => R): R | undefined {
    if (this.#isOver) return undefined;
    try {
      return call(this.#engine);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.#finish({ kind: "closed", code: Codes.internal, detail: String(error) });
      return undefined;
    }
  }

  #pump(member: Member): void {
    if (this.#isOver) return;
    this.#guard(() => member.pump());
  }

  #end(): void {
    // Whoever comes from now on begins anew.
    this.#ended();
    this.#guard((engine) => engine.close(FLUSH_MS));
  }

  #finish(event: EngineEvent): void {
    if (this.#isOver) return;
    for (const member of this.#members) member.finish(event);
    this.#isOver = true;
    clearTimeout(this.#questionTimer);
    this.#ended();
    void this.#release();
  }

  async #release(): Promise<void> {
    try {
      await this.#keeper?.end();
      this.#engine.free();
    } catch (error) {
      report(error);
    }
  }
}
