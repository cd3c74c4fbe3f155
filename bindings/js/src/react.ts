/**
 * Hooks for React: components that show topics, drawn anew when these change. Batches of updates become one rendering, and
 * what a component sees while it is rendered does not change under it.
 *
 * @packageDocumentation
 */
import { useCallback, useMemo, useRef, useSyncExternalStore } from "react";
import type { ConnectionState } from "./connection.js";
import type { SubscribeOptions } from "./options.js";
import type { Session } from "./session.js";
import type { Update } from "./updates.js";

/** What a component sees of a topic. */
export interface Topic<T = unknown> {
  /** The topic. */
  readonly path: string;
  /** Its newest value, or last event. */
  readonly value: T;
  /** The version of that. */
  readonly version: string;
  /** Whether the gateway can't be heard of now, so that there may be a newer one. */
  readonly stale: boolean;
}

/**
 * The newest value of a topic; `undefined` until it is known, and while there is none.
 *
 * ```tsx
 * import { connect } from "outpour";
 * import { useTopic } from "outpour/react";
 *
 * const session = connect("ws://127.0.0.1:7400");
 *
 * function Price({ pair }: { pair: string }) {
 *   const price = useTopic<{ bid: number }>(session, `prices/${pair}`);
 *   return <span className={price?.stale ? "stale" : ""}>{price?.value.bid ?? "…"}</span>;
 * }
 * ```
 */
export function useTopic<T = unknown>(session: Session, path: string): Topic<T> | undefined {
  return useTopics<T>(session, path).get(path);
}

/**
 * The newest values of the topics that match, by path. The map is another one whenever something has changed, and never
 * changed itself.
 *
 * ```tsx
 * import { connect } from "outpour";
 * import { useTopics } from "outpour/react";
 *
 * const session = connect("ws://127.0.0.1:7400");
 *
 * function Prices() {
 *   const prices = useTopics<{ bid: number }>(session, "prices/*", { maxRate: 10 });
 *   return <ul>{[...prices.values()].map(({ path, value }) => <li key={path}>{path}: {value.bid}</li>)}</ul>;
 * }
 * ```
 */
export function useTopics<T = unknown>(
  session: Session,
  selector: string,
  options: Pick<SubscribeOptions, "maxRate"> = {},
): ReadonlyMap<string, Topic<T>> {
  const { maxRate } = options;
  const topics = useMemo(() => new Topics<T>(session, selector, maxRate), [session, selector, maxRate]);
  return useSyncExternalStore(topics.subscribe, topics.snapshot, topics.nothing);
}

/**
 * Where the connection stands.
 *
 * ```tsx
 * import { connect } from "outpour";
 * import { useConnection } from "outpour/react";
 *
 * const session = connect("ws://127.0.0.1:7400");
 *
 * function Status() {
 *   const { state } = useConnection(session);
 *   return state === "connected" ? null : <p role="status">Reconnecting…</p>;
 * }
 * ```
 */
export function useConnection(session: Session): ConnectionState {
  const subscribe = useCallback((changed: () => void) => session.onConnection(changed), [session]);
  const connection = useCallback(() => session.connection, [session]);
  const onServer = useRef<ConnectionState>({ state: "connecting", attempt: 1 });
  return useSyncExternalStore(subscribe, connection, () => onServer.current);
}

/** What one hook follows: subscribed to while a component shows it. */
class Topics<T> {
  readonly #session: Session;
  readonly #selector: string;
  readonly #maxRate: number | undefined;
  #held: ReadonlyMap<string, Topic<T>> = new Map();

  constructor(session: Session, selector: string, maxRate: number | undefined) {
    this.#session = session;
    this.#selector = selector;
    this.#maxRate = maxRate;
  }

  readonly nothing = (): ReadonlyMap<string, Topic<T>> => NOTHING;

  readonly snapshot = (): ReadonlyMap<string, Topic<T>> => this.#held;

  readonly subscribe = (changed: () => void): (() => void) => {
    const options = this.#maxRate === undefined ? {} : { maxRate: this.#maxRate };
    const subscription = this.#session.subscribe<T>(this.#selector, options, (updates) => {
      this.#take(updates);
      changed();
    });
    // While there is no connection, everything may be out of date; what is told after it says what is not.
    const stop = this.#session.onConnection(({ state }) => {
      if (state !== "connecting" && state !== "connected" && this.#mark(true)) changed();
    });
    const stopResumed = this.#session.onResumed(() => {
      if (this.#mark(false)) changed();
    });
    return () => {
      stop();
      stopResumed();
      subscription.close();
    };
  };

  #take(updates: readonly Update<T>[]): void {
    const held = new Map(this.#held);
    for (const { kind, path, value, version, stale } of updates) {
      if (kind === "removed") held.delete(path);
      else if (kind !== "gap") held.set(path, { path, value, version, stale });
    }
    this.#held = held;
  }

  #mark(stale: boolean): boolean {
    if (![...this.#held.values()].some((topic) => topic.stale !== stale)) return false;
    this.#held = new Map([...this.#held].map(([path, topic]) => [path, { ...topic, stale }]));
    return true;
  }
}

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();
