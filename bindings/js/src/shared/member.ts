import type { EngineEvent } from "../records.js";
import type { Report } from "./messages.js";

/** About how many bytes of updates one report has at the most, and one batch of it. */
const REPORT_BYTES = 512 << 10;
const BATCH_BYTES = 64 << 10;
/** As many events may wait for a tab that does not read, before states that others have followed are dropped. */
const MOST_EVENTS = 1000;

const PASSING: ReadonlySet<EngineEvent["kind"]> = new Set([
  "connecting",
  "connected",
  "moved",
  "disconnected",
  "suspended",
  "moving",
  "resumed",
]);

/** What a member needs of the engine that it shares. */
export interface Source {
  takeBytes(id: number, bytes: number): Uint8Array;
  statistics(): ArrayLike<number>;
  principal(): string;
}

/**
 * A tab, as the worker has it. It is told something only when it has read what it was told before: what a slow or frozen
 * tab has not read stays in the engine, which tells whoever is slow fewer, newer values.
 */
export class Member {
  /** The tab's subscriptions, by its own numbers, as the engine numbers them. */
  readonly subscriptions = new Map<number, number>();
  /** Its update streams, likewise. */
  readonly streams = new Map<number, number>();
  /** Whether its publishes wait for room in the queue. */
  readonly waits: boolean;
  /** How many publishes it waits for. */
  unsettled = 0;
  /** What it waits for before it leaves. */
  whenSettled: (() => void) | undefined;
  readonly #port: MessagePort;
  readonly #source: Source;
  /** The tab's number for a subscription of the engine. */
  readonly #names = new Map<number, number>();
  /** Subscriptions of the engine with something to take. */
  readonly #readable = new Set<number>();
  /** Those of which the tab has a batch that the application has not taken. */
  readonly #lent = new Set<number>();
  /** Those that are complete as soon as the tab has what there is. */
  readonly #complete = new Map<number, EngineEvent>();
  #events: EngineEvent[] = [];
  #isReading = false;
  #isAsked = false;

  constructor(port: MessagePort, source: Source, waits: boolean) {
    this.#port = port;
    this.#source = source;
    this.waits = waits;
  }

  /** The tab has a subscription of the engine. */
  follow(name: number, id: number): void {
    this.subscriptions.set(name, id);
    this.#names.set(id, name);
  }

  /** The tab has it no longer. Gives the engine's number. */
  unfollow(name: number): number | undefined {
    const id = this.subscriptions.get(name);
    this.subscriptions.delete(name);
    if (id === undefined) return undefined;
    for (const held of [this.#names, this.#readable, this.#lent, this.#complete]) held.delete(id);
    return id;
  }

  /** The engine has something for one of the tab's subscriptions. */
  noteReadable(id: number): void {
    this.#readable.add(id);
  }

  /** One of the tab's subscriptions is complete, once it has been told what there is. */
  noteComplete(id: number, topics: number): void {
    const name = this.#names.get(id);
    if (name !== undefined) this.#complete.set(id, { kind: "subscribed", id: name, topics });
  }

  /** Something to tell the tab, with its own numbers. */
  note(event: EngineEvent): void {
    if (this.#events.length >= MOST_EVENTS) this.#events = this.#events.filter(({ kind }) => !PASSING.has(kind));
    this.#events.push(event);
  }

  /** The tab wants to be told what was counted. */
  count(): void {
    this.#isAsked = true;
  }

  /** The tab has read the last report, and can be told more of these subscriptions. */
  read(names: readonly number[]): void {
    this.#isReading = false;
    for (const name of names) this.more(name);
  }

  /** The tab can be told more of a subscription. */
  more(name: number): void {
    const id = this.subscriptions.get(name);
    if (id !== undefined) this.#lent.delete(id);
  }

  /** Tells the tab what there is, if it has read what it was told. */
  pump(): void {
    if (!this.#isReading) this.#tell();
  }

  /** Tells the tab the last that there is, whether or not it has read what it was told. */
  finish(event: EngineEvent): void {
    this.note(event);
    try {
      this.#tell();
    } catch {
      // The engine is of no use any more, and that may be why it is over.
      this.#report([], [], "");
    }
  }

  #tell(): void {
    const updates = this.#takeUpdates();
    if (updates.length === 0 && this.#events.length === 0 && !this.#isAsked) return;
    this.#report(updates, this.#source.statistics(), this.#source.principal());
  }

  #report(updates: [number, Uint8Array][], statistics: ArrayLike<number>, principal: string): void {
    const report: Report = { kind: "report", updates, events: this.#events, statistics, principal };
    this.#events = [];
    this.#isAsked = false;
    this.#isReading = true;
    this.#port.postMessage(
      report,
      updates.map(([, { buffer }]) => buffer as ArrayBuffer),
    );
  }

  #takeUpdates(): [number, Uint8Array][] {
    const updates: [number, Uint8Array][] = [];
    let bytes = 0;
    for (const id of this.#readable) {
      if (bytes >= REPORT_BYTES) return updates;
      if (this.#lent.has(id)) continue;
      const batch = this.#source.takeBytes(id, BATCH_BYTES);
      const name = this.#names.get(id);
      if (batch.length === 0 || name === undefined) {
        this.#readable.delete(id);
        continue;
      }
      bytes += batch.length;
      this.#lent.add(id);
      updates.push([name, batch]);
    }
    const told = new Set(updates.map(([name]) => name));
    for (const [id, event] of this.#complete) {
      // Whether there is more is known when this batch was read, or not before the application reads.
      if (this.#readable.has(id) && told.has(this.#names.get(id) ?? 0)) continue;
      this.#complete.delete(id);
      this.note(event);
    }
    return updates;
  }
}
