import type { Engine } from "./engine.js";
import { errorOf } from "./errors.js";
import { defer, onAbort, type Deferred } from "./listeners.js";
import { historyOf, type FetchOptions, type HistoryStart } from "./options.js";
import type { WhenStarted } from "./publishing.js";
import type { EngineEvent, FetchedItem } from "./records.js";

/** What a fetch gave. */
export interface Fetched<T = unknown> {
  /** The values or events. */
  readonly items: readonly FetchedItem<T>[];
  /** Whether the limit kept more back. */
  readonly more: boolean;
}

/** The questions of a session that wait for their answers. @internal */
export class Fetching {
  readonly #whenStarted: WhenStarted;
  readonly #asked = new Map<number, Deferred<Fetched<never>>>();
  /** What was asked for before the engine was there. */
  readonly #unsent = new Set<Deferred<Fetched<never>>>();

  constructor(whenStarted: WhenStarted) {
    this.#whenStarted = whenStarted;
  }

  fetch<T>(selector: string, from: HistoryStart | undefined, options: FetchOptions): Promise<Fetched<T>> {
    const { limit = 1000, signal } = options;
    const answer = defer<Fetched<never>>();
    let id: number | undefined;
    const stop = onAbort(signal, (reason) => {
      answer.reject(reason);
      const asked = id;
      if (asked !== undefined && this.#asked.delete(asked)) this.#whenStarted((engine) => engine.cancelFetch(asked));
    });
    void answer.promise.finally(stop).catch(() => {});
    if (signal?.aborted === true) return answer.promise;
    const ask = (engine: Engine): void => {
      this.#unsent.delete(answer);
      if (signal?.aborted === true) return;
      const asked = engine.fetch(selector, from === undefined ? undefined : historyOf(from), limit);
      if (asked < 0) return answer.reject(errorOf(-asked));
      id = asked;
      this.#asked.set(asked, answer);
    };
    this.#unsent.add(answer);
    this.#whenStarted(ask, answer.reject);
    return answer.promise;
  }

  answer({ id, code, items, more }: EngineEvent & { kind: "fetched" }): void {
    const answer = this.#asked.get(id);
    this.#asked.delete(id);
    if (code === 0) answer?.resolve({ items: items as FetchedItem<never>[], more });
    else answer?.reject(errorOf(code));
  }

  /** The session is over: nothing more is answered. */
  end(reason: unknown): void {
    for (const answer of [...this.#asked.values(), ...this.#unsent]) answer.reject(reason);
    this.#asked.clear();
    this.#unsent.clear();
  }
}
