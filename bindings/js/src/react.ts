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
  const topics = useMemo(() => shownTopics<T>(session, selector, maxRate), [session, selector, maxRate]);
  return useSyncExternalStore(topics.subscribe, topics.snapshot, nothing);
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

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();
const nothing = (): ReadonlyMap<string, never> => NOTHING;

/** The topics that components show now, by session, and by selector and rate. */
const SHOWN = new WeakMap<Session, Map<string, Topics>>();

/** Topics as a hook sees them: components that show the same ones have one subscription, from the first to the last. */
function shownTopics<T>(session: Session, selector: string, maxRate: number | undefined) {
  const key = `${maxRate ?? ""} ${selector}`;
  const shown = (): Topics | undefined => SHOWN.get(session)?.get(key);
  return {
    snapshot: (): ReadonlyMap<string, Topic<T>> => (shown()?.held ?? NOTHING) as ReadonlyMap<string, Topic<T>>,
    subscribe: (changed: () => void): (() => void) => {
      const ofSession = SHOWN.get(session) ?? new Map<string, Topics>();
      SHOWN.set(session, ofSession);
      const topics = ofSession.get(key) ?? new Topics(session, selector, maxRate);
      ofSession.set(key, topics);
      // The same function may come twice, and goes once.
      const own = (): void => changed();
      topics.changed.add(own);
      return () => {
        topics.changed.delete(own);
        if (topics.changed.size > 0) return;
        topics.close();
        if (ofSession.get(key) === topics) ofSession.delete(key);
      };
    },
  };
}

/** What the components that show a selector's topics see. */
class Topics {
  /** Told of every change: the components. */
  readonly changed = new Set<() => void>();
  /** The topics; another map after every change. */
  held: ReadonlyMap<string, Topic> = NOTHING;
  readonly #stops: (() => void)[];

  constructor(session: Session, selector: string, maxRate: number | undefined) {
    const subscription = session.subscribe(selector, maxRate === undefined ? {} : { maxRate }, (updates) =>
      this.#take(updates),
    );
    this.#stops = [
      () => subscription.close(),
      // While there is no connection, everything may be out of date; what is told after it says what is not.
      session.onConnection(({ state }) => {
        if (state !== "connecting" && state !== "connected") this.#mark(true);
      }),
      session.onResumed(() => this.#mark(false)),
    ];
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #take(updates: readonly Update[]): void {
    const held = new Map(this.held);
    for (const { kind, path, value, version, stale } of updates) {
      if (kind === "removed") held.delete(path);
      else if (kind !== "gap") held.set(path, { path, value, version, stale });
    }
    this.#show(held);
  }

  #mark(stale: boolean): void {
    if (![...this.held.values()].some((topic) => topic.stale !== stale)) return;
    this.#show(new Map([...this.held].map(([path, topic]) => [path, { ...topic, stale }])));
  }

  #show(held: ReadonlyMap<string, Topic>): void {
    this.held = held;
    for (const changed of [...this.changed]) changed();
  }
}
