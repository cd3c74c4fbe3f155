import type { Replica } from "../records.js";
import type { Update } from "../updates.js";
import type { ValueType } from "../values.js";

/** The newest that a tab was told of a topic. */
class Told implements Replica {
  readonly #update: Update;
  readonly #mirror: Mirror;
  readonly #round: number;
  readonly #received = performance.now();

  constructor(update: Update, mirror: Mirror) {
    this.#update = update;
    this.#mirror = mirror;
    this.#round = mirror.round;
  }

  get path(): string {
    return this.#update.path;
  }

  get type(): ValueType {
    return this.#update.type;
  }

  get value(): unknown {
    return this.#update.value;
  }

  get bytes(): Uint8Array {
    return this.#update.bytes;
  }

  get version(): string {
    return this.#update.version;
  }

  get ageMs(): number {
    return performance.now() - this.#received;
  }

  get stale(): boolean {
    return !this.#mirror.isLive || (this.#update.stale && this.#round === this.#mirror.round);
  }
}

/** The replicas of a tab: what the worker has told its subscriptions, so that they can be read at once. */
export class Mirror {
  /** Whether the gateway is heard of. */
  isLive = false;
  /** Counts how often everything was found to be up to date. */
  round = 0;
  readonly #topics = new Map<string, { told: Told; subscriptions: number }>();

  /** A subscription was told of a topic. */
  set(update: Update, isNew: boolean): void {
    const told = new Told(update, this);
    const topic = this.#topics.get(update.path);
    if (topic === undefined) this.#topics.set(update.path, { told, subscriptions: 1 });
    else {
      topic.told = told;
      if (isNew) topic.subscriptions++;
    }
  }

  /** A subscription holds a topic no longer. */
  release(path: string): void {
    const topic = this.#topics.get(path);
    if (topic !== undefined && --topic.subscriptions === 0) this.#topics.delete(path);
  }

  get(path: string): Replica | undefined {
    return this.#topics.get(path)?.told;
  }

  /** The replicas that match, in the order of their paths. */
  matching(selector: string): Replica[] {
    const pattern = selector.split("/");
    const found: Replica[] = [];
    for (const [path, { told }] of this.#topics) if (matches(pattern, path.split("/"))) found.push(told);
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}

/** Whether the segments of a path are those of a selector: `*` stands for one, `**` for any number. */
export function matches(pattern: readonly string[], path: readonly string[]): boolean {
  // As far as the last `**` that was met: where to go on if what follows it does not match.
  let [at, segment, after, retry] = [0, 0, -1, 0];
  while (segment < path.length) {
    const wanted = pattern[at];
    if (wanted === "**") [after, retry] = [++at, segment];
    else if (wanted === "*" || (wanted !== undefined && wanted === path[segment])) {
      at++;
      segment++;
    } else if (after >= 0) [at, segment] = [after, ++retry];
    else return false;
  }
  while (pattern[at] === "**") at++;
  return at === pattern.length;
}
