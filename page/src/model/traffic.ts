import type { Statistics } from "outpour";
import { Series } from "./series";

/** How far back the chart of the traffic goes. */
const HISTORY_S = 180;
/** The past that the current rates are counted over. */
const WINDOW_MS = 3_000;

/** What crosses the network in a second. */
export interface Rates {
  readonly updates: number;
  readonly received: number;
  readonly full: number;
}

interface Mark {
  readonly at: number;
  readonly counted: Statistics;
}

/** Rates, from counts that only grow. */
export class Traffic {
  readonly received = new Series(HISTORY_S);
  readonly full = new Series(HISTORY_S);
  #marks: Mark[] = [];
  #lastSecond: Mark | undefined;
  #seconds = 0;

  /** Notes what was counted; several times a second. */
  note(counted: Statistics, at: number): void {
    this.#marks.push({ at, counted });
    while (this.#marks.length > 2 && at - (this.#marks[0]?.at ?? at) > WINDOW_MS) this.#marks.shift();
    const last = this.#lastSecond;
    if (last === undefined || at - last.at >= 1000) {
      // The first values of everything would dwarf whatever comes after them.
      if (last !== undefined && last.counted.updates > 0 && this.#seconds++ > 0) {
        const rates = between(last, { at, counted });
        this.received.push(Date.now() / 1000, rates.received);
        this.full.push(Date.now() / 1000, rates.full);
      }
      this.#lastSecond = { at, counted };
    }
  }

  get rates(): Rates {
    const [first] = this.#marks;
    const last = this.#marks.at(-1);
    return first === undefined || last === undefined ? { updates: 0, received: 0, full: 0 } : between(first, last);
  }
}

function between(first: Mark, last: Mark): Rates {
  const seconds = Math.max(last.at - first.at, 1) / 1000;
  const rate = (of: (counted: Statistics) => number): number => Math.max(0, of(last.counted) - of(first.counted)) / seconds;
  return {
    updates: rate((counted) => counted.updates),
    received: rate((counted) => counted.bytesReceived),
    full: rate((counted) => counted.fullValueBytes),
  };
}
