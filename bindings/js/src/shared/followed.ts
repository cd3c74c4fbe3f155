import type { FetchedItem } from "../records.js";
import type { Update } from "../updates.js";
import type { Mirror } from "./mirror.js";

/** As many updates may wait for a slow application before values that have been replaced are dropped. */
const MOST_WAITING = 1000;
/** From where on, as the module numbers it: what is yet to come. */
const LIVE = 1;
const AFTER = 4;

/** A subscription as a tab has it: what it was told, and what the application has yet to take. */
export class FollowedTopics {
  readonly selector: string;
  readonly maxRate: number;
  /** Whether the worker waits to be told that there may be more. */
  isLent = false;
  /** Events that will not come, of those since the tab was away. */
  readonly missed: Update[] = [];
  readonly #from: readonly [number, bigint];
  readonly #mirror: Mirror;
  readonly #Update: typeof Update;
  readonly #told = new Map<string, Update>();
  /** The last event of each event topic that was told, or told to be missing. */
  readonly #sequences = new Map<string, { readonly epoch: string; readonly sequence: number }>();
  #waiting: Update[] = [];
  /** After the tab was away: the value topics that the worker has not spoken of again. */
  #unconfirmed: Set<string> | undefined;
  /** And the event topics: the worker speaks only of those with new events. */
  #unheard: Set<string> | undefined;
  /** Events that wait for those before them. */
  #heldBack: Update[] | undefined;

  constructor(
    selector: string,
    maxRate: number,
    from: readonly [number, bigint],
    mirror: Mirror,
    UpdateClass: typeof Update,
  ) {
    this.selector = selector;
    this.maxRate = maxRate;
    this.#from = from;
    this.#mirror = mirror;
    this.#Update = UpdateClass;
  }

  /**
   * The past events that have to be fetched, as another tab's subscription may have had them: after those that were told, if
   * the tab was away. What follows waits for them.
   */
  history(): readonly [number, bigint] | undefined {
    let least: bigint | undefined;
    for (const { kind, version } of this.#told.values()) {
      if (kind !== "event") continue;
      const told = BigInt(version);
      if (least === undefined || told < least) least = told;
    }
    const history = least !== undefined ? ([AFTER, least] as const) : this.#from[0] === LIVE ? undefined : this.#from;
    this.#heldBack = history === undefined ? undefined : [];
    return history;
  }

  /** The tab begins anew with a worker: what it was told is told again, and of interest only where it has changed. */
  revisit(): void {
    this.isLent = false;
    this.missed.length = 0;
    if (this.#told.size === 0) return;
    const told = [...this.#told.values()];
    const paths = (isEvent: boolean) => told.filter(({ kind }) => (kind === "event") === isEvent).map(({ path }) => path);
    this.#unconfirmed = new Set(paths(false));
    this.#unheard = new Set(paths(true));
  }

  /** Whether there is something of the time in which the tab was away that it has yet to hear. */
  get isReturning(): boolean {
    return this.#unconfirmed !== undefined || this.#heldBack !== undefined || this.isInDoubt;
  }

  /** Whether there are event topics of which it is not known if they are still there. */
  get isInDoubt(): boolean {
    return this.#unheard !== undefined && this.#unheard.size > 0;
  }

  /** Takes up what the worker tells. Gives whether there is something for the application. */
  tell(updates: readonly Update[]): boolean {
    const before = this.#waiting.length;
    for (const update of updates) {
      const isEvent = update.kind === "event" || update.kind === "gap";
      // Whoever keeps one must not keep the whole batch.
      if (updates.length > 1) update.ownBytes();
      if (isEvent && this.#heldBack !== undefined) this.#heldBack.push(update);
      else if (!this.#isKnown(update)) this.#note(update);
    }
    const isNews = this.#waiting.length > before;
    if (this.#waiting.length > MOST_WAITING) this.#conflate();
    return isNews;
  }

  /** The past events are there: those that came meanwhile follow them. */
  tellHistory(items: readonly FetchedItem[], epoch: string): boolean {
    const heldBack = this.#heldBack ?? [];
    this.#heldBack = undefined;
    const past = items.map(({ path, type, bytes, version, sequence }) => {
      return new this.#Update("event", path, type, bytes, BigInt(version), sequence, 0, false, epoch, 0);
    });
    return this.tell([...past, ...heldBack]);
  }

  /** All value topics that match are told: those that are not among them were removed meanwhile. */
  confirm(): boolean {
    const gone = this.#unconfirmed;
    this.#unconfirmed = undefined;
    return this.#tellRemoved(gone);
  }

  /** An event of every event topic that has one was told: the others were removed meanwhile. */
  confirmEvents(): boolean {
    const gone = this.#unheard;
    this.#unheard = undefined;
    return this.#tellRemoved(gone);
  }

  /** All that the application has yet to take. */
  take(): Update[] {
    return this.#waiting.splice(0);
  }

  /**
   * Whether more may be told before the application has taken what there is: values replace each other, events don't. After
   * the tab was away everything is told first, so that it is known what is gone.
   */
  get hasRoom(): boolean {
    if (this.#unconfirmed !== undefined) return true;
    if (this.#heldBack !== undefined && this.#heldBack.length > MOST_WAITING) return false;
    return !this.#waiting.some(({ kind }) => kind === "event" || kind === "gap");
  }

  /** It is over: its topics are held no longer. */
  end(): void {
    for (const path of this.#told.keys()) this.#mirror.release(path);
    this.#told.clear();
  }

  #tellRemoved(paths: ReadonlySet<string> | undefined): boolean {
    return this.tell([...(paths ?? [])].map((path) => this.#empty("removed", path, "")));
  }

  #isKnown({ path, kind, version, epoch, sequence, last }: Update): boolean {
    const isRepeated = this.#unconfirmed?.delete(path) === true;
    this.#unheard?.delete(path);
    if (kind === "value") {
      const told = this.#told.get(path);
      return isRepeated && told?.epoch === epoch && told.version === version;
    }
    const reached = this.#sequences.get(path);
    if (reached?.epoch !== epoch) return false;
    return (kind === "event" && sequence <= reached.sequence) || (kind === "gap" && last <= reached.sequence);
  }

  #note(update: Update): void {
    const { kind, path, epoch, sequence, last } = update;
    if (kind === "removed") {
      this.#sequences.delete(path);
      if (this.#told.delete(path)) this.#mirror.release(path);
    } else if (kind === "gap") {
      this.#sequences.set(path, { epoch, sequence: last });
      if (this.isReturning) this.missed.push(update);
    } else {
      if (kind === "event") this.#noteEvent(path, epoch, sequence);
      this.#mirror.set(update, !this.#told.has(path));
      this.#told.set(path, update);
    }
    this.#waiting.push(update);
  }

  /** Events that are no longer kept are told to be missing. */
  #noteEvent(path: string, epoch: string, sequence: number): void {
    const reached = this.#sequences.get(path);
    if (reached?.epoch === epoch && sequence > reached.sequence + 1) {
      this.#note(this.#empty("gap", path, epoch, reached.sequence + 1, sequence - 1));
    }
    this.#sequences.set(path, { epoch, sequence });
  }

  #empty(kind: "removed" | "gap", path: string, epoch: string, first = 0, last = 0): Update {
    return new this.#Update(kind, path, "json", new Uint8Array(), 0n, first, last, false, epoch, 0);
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
