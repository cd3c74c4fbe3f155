import type { Update } from "../updates.js";
import type { Mirror } from "./mirror.js";

/** As many updates may wait for a slow application before values that have been replaced are dropped. */
const MOST_WAITING = 1000;

/** A subscription as a tab has it: what it was told, and what the application has yet to take. */
export class FollowedTopics {
  readonly selector: string;
  readonly maxRate: number;
  /** Whether the worker waits to be told that there may be more. */
  isLent = false;
  readonly #from: readonly [number, bigint];
  readonly #mirror: Mirror;
  readonly #told = new Map<string, Update>();
  #waiting: Update[] = [];
  /** After the tab was away: the topics that the worker has not spoken of again. */
  #unconfirmed: Set<string> | undefined;

  constructor(selector: string, maxRate: number, from: readonly [number, bigint], mirror: Mirror) {
    this.selector = selector;
    this.maxRate = maxRate;
    this.#from = from;
    this.#mirror = mirror;
  }

  /** From where to be told of events: after those that were, if the tab was away. */
  get from(): readonly [number, bigint] {
    let least: bigint | undefined;
    for (const { kind, version } of this.#told.values()) {
      if (kind !== "event") continue;
      const told = BigInt(version);
      if (least === undefined || told < least) least = told;
    }
    return least === undefined ? this.#from : [4, least];
  }

  /** The tab begins anew with a worker: what it was told is told again, and of interest only where it has changed. */
  revisit(): void {
    this.isLent = false;
    if (this.#told.size > 0) this.#unconfirmed = new Set(this.#told.keys());
  }

  /** Takes up what the worker tells. Gives whether there is something for the application. */
  tell(updates: readonly Update[]): boolean {
    let isNews = false;
    for (const update of updates) {
      if (this.#isKnown(update)) continue;
      isNews = true;
      // Whoever keeps one must not keep the whole batch.
      if (updates.length > 1) update.ownBytes();
      this.#note(update);
      this.#waiting.push(update);
    }
    if (this.#waiting.length > MOST_WAITING) this.#conflate();
    return isNews;
  }

  /** All topics that match are told: those that are not among them were removed meanwhile. */
  confirm(removed: (path: string) => Update): boolean {
    const gone = [...(this.#unconfirmed ?? [])];
    this.#unconfirmed = undefined;
    return this.tell(gone.map(removed));
  }

  /** All that the application has yet to take. */
  take(): Update[] {
    return this.#waiting.splice(0);
  }

  /** Whether more may be told before the application has taken what there is: values replace each other, events don't. */
  get hasRoom(): boolean {
    return !this.#waiting.some(({ kind }) => kind === "event" || kind === "gap");
  }

  /** It is over: its topics are held no longer. */
  end(): void {
    for (const path of this.#told.keys()) this.#mirror.release(path);
    this.#told.clear();
  }

  #isKnown({ path, kind, version, epoch, sequence }: Update): boolean {
    const told = this.#told.get(path);
    if (this.#unconfirmed === undefined || told === undefined || told.epoch !== epoch) return false;
    this.#unconfirmed.delete(path);
    return (kind === "value" && told.version === version) || (kind === "event" && sequence <= told.sequence);
  }

  #note(update: Update): void {
    const { kind, path } = update;
    if (kind === "removed") {
      if (this.#told.delete(path)) this.#mirror.release(path);
    } else if (kind !== "gap") {
      this.#mirror.set(update, !this.#told.has(path));
      this.#told.set(path, update);
    }
  }

  #conflate(): void {
    const seen = new Set<string>();
    const kept = this.#waiting.reverse().filter(({ kind, path }) => {
      if (kind === "event" || kind === "gap") return true;
      return !seen.has(path) && seen.add(path);
    });
    this.#waiting = kept.reverse();
  }
}
