import { Codes } from "../numbers.js";

/** The most past events that a subscription begins with. */
const MOST_EVENTS = 100_000;
/** How many fetches of past events are under way: gateways have a limit, which is that of all tabs together. */
const MOST_ASKED = 8;
/** How long to wait, in milliseconds, when that limit is reached. */
const PAUSE_MS = 250;

/** Past events that a subscription has to be told of. */
export interface Wanted {
  readonly subscription: number;
  readonly selector: string;
  readonly from: readonly [number, bigint];
}

/** The past events that a tab's subscriptions wait for. */
export class Histories {
  readonly #fetch: (selector: string, from: readonly [number, bigint], limit: number) => number;
  readonly #cancel: (fetch: number) => void;
  readonly #asked = new Map<number, Wanted>();
  #waiting: Wanted[] = [];

  constructor(
    fetch: (selector: string, from: readonly [number, bigint], limit: number) => number,
    cancel: (fetch: number) => void,
  ) {
    this.#fetch = fetch;
    this.#cancel = cancel;
  }

  /** A subscription waits for past events. */
  want(wanted: Wanted): void {
    this.#waiting.push(wanted);
    this.#ask();
  }

  /** Whether a fetch was made for a subscription. */
  has(fetch: number): boolean {
    return this.#asked.has(fetch);
  }

  /** A fetch was answered. Gives what it was for; `undefined` if that has to wait for longer. */
  answer(fetch: number, code: number): Wanted | undefined {
    const wanted = this.#asked.get(fetch);
    this.#asked.delete(fetch);
    if (wanted !== undefined && code === Codes.queueFull) {
      setTimeout(() => this.want(wanted), PAUSE_MS);
      return undefined;
    }
    this.#ask();
    return wanted;
  }

  /** A subscription is over. */
  forget(subscription: number): void {
    this.#waiting = this.#waiting.filter((wanted) => wanted.subscription !== subscription);
    for (const [fetch, wanted] of this.#asked) if (wanted.subscription === subscription) this.#drop(fetch);
    this.#ask();
  }

  /** Everything is asked for anew. */
  clear(): void {
    this.#waiting = [];
    for (const fetch of this.#asked.keys()) this.#drop(fetch);
  }

  #drop(fetch: number): void {
    this.#asked.delete(fetch);
    this.#cancel(fetch);
  }

  #ask(): void {
    while (this.#asked.size < MOST_ASKED) {
      const wanted = this.#waiting.shift();
      if (wanted === undefined) return;
      this.#asked.set(this.#fetch(wanted.selector, wanted.from, MOST_EVENTS), wanted);
    }
  }
}
