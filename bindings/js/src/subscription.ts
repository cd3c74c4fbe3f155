import { errorOf, type OutpourError } from "./errors.js";
import type { Engine } from "./engine.js";
import { asyncDispose, defer, Listeners, onAbort } from "./listeners.js";
import { Codes } from "./numbers.js";
import { historyOf, type SubscribeOptions } from "./options.js";
import type { Update } from "./updates.js";

/** About how many bytes of updates are taken at once. */
const BATCH_BYTES = 64 << 10;

/** A subscription, whatever its values are, as its session has it. @internal */
export interface Followed {
  start(engine: Engine): number | undefined;
  complete(topics: number): void;
  wake(): void;
  fail(error: OutpourError | undefined): void;
}

/** Why a subscription has ended. */
interface Ending {
  readonly error: unknown;
}

/**
 * Interest in topics, whatever the network does, until it is closed. Updates are read by iterating, or by a listener; an
 * application that reads slowly is told fewer, newer values.
 *
 * ```ts
 * import { connect } from "outpour";
 *
 * const session = connect("ws://127.0.0.1:7400");
 * const prices = session.subscribe<{ bid: number }>("prices/*");
 * for await (const { path, value } of prices) {
 *   console.log(path, value?.bid);
 *   if (value?.bid === 0) break; // which ends the subscription
 * }
 * ```
 */
export class Subscription<T = unknown> implements AsyncIterable<Update<T>> {
  /** What it selects. */
  readonly selector: string;
  /** Resolves when all topics that matched at first are known, with their number. */
  readonly ready: Promise<number>;
  /**
   * Resolves when it is over, with why: the error, the reason of the signal that was aborted, or `undefined` after
   * {@link close} and the end of the session. It never rejects.
   *
   * ```ts
   * import { connect, OutpourError } from "outpour";
   *
   * const subscription = connect("ws://127.0.0.1:7400").subscribe("prices/*", (updates) => console.log(updates.length));
   * const reason = await subscription.closed;
   * if (reason instanceof OutpourError) console.error("refused:", reason.reason);
   * ```
   */
  readonly closed: Promise<unknown>;
  readonly #ready = defer<number>();
  readonly #closed = defer<unknown>();
  readonly #options: SubscribeOptions;
  readonly #listeners = new Listeners<Update<T>[]>();
  readonly #ended: (subscription: Followed) => void;
  readonly #stopListening: () => void;
  #engine: Engine | undefined;
  #id = 0;
  #isReadable = false;
  #wake: (() => void) | undefined;
  /** What was there when the session ended. */
  #left: Update<T>[] = [];
  #ending: Ending | undefined;

  /** @internal */
  constructor(selector: string, options: SubscribeOptions, ended: (subscription: Followed) => void) {
    this.selector = selector;
    this.#options = options;
    this.#ended = ended;
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
    this.#stopListening = onAbort(options.signal, (reason) => this.#end({ error: reason }));
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#ending !== undefined;
  }

  /**
   * Calls back with every batch of updates from now on, until the function it returns is called. With a listener, a
   * subscription can't be iterated.
   */
  listen(listener: (updates: Update<T>[]) => void): () => void {
    const stop = this.#listeners.add(listener);
    this.#deliver();
    return stop;
  }

  /** Iterates over batches: all updates that are there at once. */
  batches(): AsyncIterableIterator<Update<T>[]> {
    const iterator: AsyncIterableIterator<Update<T>[]> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        const value = await this.#next();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
    return iterator;
  }

  /** Iterates over updates, one by one. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Update<T>> {
    const batches = this.batches();
    let batch: Update<T>[] = [];
    let at = 0;
    const iterator: AsyncIterableIterator<Update<T>> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        while (at >= batch.length) {
          const result = await batches.next();
          if (result.done === true) return { done: true, value: undefined };
          batch = result.value;
          at = 0;
        }
        return { done: false, value: batch[at++] as Update<T> };
      },
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
    return iterator;
  }

  /** Ends the subscription. Iterators end. */
  close(): void {
    this.#end({ error: undefined });
  }

  /** Ends the subscription, for `await using`. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** @internal The engine is there. */
  start(engine: Engine): number | undefined {
    if (this.#ending !== undefined) return undefined;
    let from: readonly [number, bigint];
    try {
      from = historyOf(this.#options.from ?? "live");
    } catch (cause) {
      this.fail(errorOf(Codes.badOptions, "`from.after` is a version: a decimal number.", undefined, cause));
      return undefined;
    }
    const id = engine.subscribe(this.selector, this.#options.maxRate ?? 0, from);
    if (id < 0) {
      this.fail(errorOf(-id));
      return undefined;
    }
    this.#engine = engine;
    return (this.#id = id);
  }

  /** @internal */
  complete(topics: number): void {
    this.#ready.resolve(topics);
  }

  /** @internal There are updates to take. */
  wake(): void {
    this.#isReadable = true;
    this.#deliver();
    this.#wake?.();
  }

  /** @internal It has ended without having been closed. */
  fail(error: OutpourError | undefined): void {
    if (this.#engine !== undefined && this.#ending === undefined) {
      for (let batch = this.#take(); batch.length > 0; batch = this.#take()) this.#left.push(...batch);
      if (!this.#listeners.isEmpty && this.#left.length > 0) this.#listeners.tell(this.#left.splice(0));
    }
    this.#engine = undefined;
    this.#end({ error });
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    const engine = this.#engine;
    this.#engine = undefined;
    if (engine !== undefined) engine.unsubscribe(this.#id);
    // In the constructor a signal that was aborted already ends it before there is anything to stop.
    queueMicrotask(() => this.#stopListening());
    this.#ready.reject(ending.error ?? errorOf(Codes.closed));
    this.#closed.resolve(ending.error);
    this.#ended(this);
    this.#wake?.();
  }

  #take(): Update<T>[] {
    const batch = this.#engine?.take<T>(this.#id, BATCH_BYTES) ?? [];
    if (batch.length === 0) this.#isReadable = false;
    return batch;
  }

  #deliver(): void {
    while (!this.#listeners.isEmpty && this.#isReadable) {
      const batch = this.#take();
      if (batch.length > 0) this.#listeners.tell(batch);
    }
  }

  async #next(): Promise<Update<T>[] | undefined> {
    if (!this.#listeners.isEmpty) throw errorOf(Codes.badOptions, "A subscription with a listener can't be iterated.");
    for (;;) {
      if (this.#left.length > 0) return this.#left.splice(0);
      if (this.#ending !== undefined) {
        const { error } = this.#ending;
        // Told once: whoever goes on iterating is at the end.
        this.#ending = { error: undefined };
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- a signal's reason is thrown as it is
        if (error !== undefined) throw error;
        return undefined;
      }
      if (this.#isReadable) {
        const batch = this.#take();
        if (batch.length > 0) return batch;
      }
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before?.();
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }
}
