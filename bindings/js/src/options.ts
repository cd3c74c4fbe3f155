import type { Store } from "./store.js";

/** What `new WebSocket(url, protocols)` makes: the platform's own, that of the package `ws`, or one of yours. */
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocket;

/** Credentials: usually a token. */
export type Credentials = string | Uint8Array;

/**
 * Gives credentials when they are needed: before the first connection, and again when a gateway does not take them any
 * more. `expired` says that the last ones had expired, so that a cache must not give them out again.
 */
export type CredentialsProvider = (expired: boolean) => Credentials | Promise<Credentials>;

/** What becomes of a publish for which the queue has no room: the caller waits, the oldest unsent one is dropped, or it fails. */
export type WhenFull = "wait" | "dropOldest" | "error";

/** Where tabs share a connection: the address of the script `outpour/shared-worker`, or a function that starts a worker of it. */
export type SharedWorkerSource = string | URL | (() => SharedWorker);

/**
 * How a session is set up. Everything is optional.
 *
 * ```ts
 * import { connect, type ConnectOptions } from "outpour";
 *
 * const options: ConnectOptions = {
 *   credentials: async (expired) => (await fetch("/token", { cache: expired ? "reload" : "default" })).text(),
 *   store: true,
 *   queue: { maxCount: 100, whenFull: "wait" },
 * };
 * const session = connect("wss://live.example.org", options);
 * ```
 */
export interface ConnectOptions {
  /** Who the client is to the gateway: a token, or a function that gets one. */
  readonly credentials?: Credentials | CredentialsProvider;
  /** What the client is, for the gateway's logs. */
  readonly agent?: string;
  /** The `WebSocket` to use in place of the platform's. In Node without one, the package `ws` is used if it is installed. */
  readonly WebSocket?: WebSocketConstructor;
  /** Ends the session when it is aborted. */
  readonly signal?: AbortSignal;
  /**
   * Keeps replicas over restarts, so that they are there at once and only what has changed is sent: `true` or a name for
   * IndexedDB, or a {@link Store} of yours.
   */
  readonly store?: boolean | string | Store;
  /** The publishes that may wait for their verdict. */
  readonly queue?: {
    /** How many: 10,000 unless told otherwise. */
    readonly maxCount?: number;
    /** How many bytes of values: 16 MiB unless told otherwise. */
    readonly maxBytes?: number;
    /** What becomes of a publish past that: `error` unless told otherwise. */
    readonly whenFull?: WhenFull;
  };
  /** The waits between attempts: each drawn evenly from zero up to a limit that doubles with every attempt. */
  readonly backoff?: {
    /** The limit of the first, in milliseconds: 250. */
    readonly baseMs?: number;
    /** The limit of all, in milliseconds: 20,000. */
    readonly capMs?: number;
  };
  /** How long connecting may take until the next attempt, in milliseconds: 10,000. */
  readonly connectTimeoutMs?: number;
  /** Whether a gateway may send the session to addresses that are not among those given: no. */
  readonly followRedirects?: boolean;
  /** Whether to connect again after a lost connection: yes. */
  readonly reconnect?: boolean;
  /**
   * Shares one connection, and one set of replicas, between the tabs of an origin that have the same addresses and the
   * same credentials: the script `outpour/shared-worker`, as your bundler finds it. Where there can't be a worker the
   * session has a connection of its own, and says so: {@link Session.shared}. The other options are those of the tab that
   * came first.
   *
   * ```ts
   * import { connect } from "outpour";
   *
   * const session = connect("wss://live.example.org", {
   *   shared: () => new SharedWorker(new URL("outpour/shared-worker", import.meta.url), { type: "module" }),
   * });
   * ```
   */
  readonly shared?: SharedWorkerSource;
  /**
   * Who the credentials are of, such as the name of who is signed in: needed to share a connection if `credentials` is a
   * function. Sessions with different ones never share.
   */
  readonly sharedAs?: string;
  /** Whether to take hints from the page (`online`, `visibilitychange`, `pagehide` …): yes. */
  readonly lifecycle?: boolean;
}

/** From which past event on an event topic is told. */
export type HistoryStart =
  | "live"
  | "all"
  | {
      /** The newest events of each topic, this many at the most. */
      readonly last: number;
    }
  | {
      /** The events after this version. */
      readonly after: string;
    };

/** How a subscription is told of its topics. */
export interface SubscribeOptions {
  /** The most updates per topic and second. */
  readonly maxRate?: number;
  /** From where event topics are told: `live` unless told otherwise. */
  readonly from?: HistoryStart;
  /** Ends the subscription when it is aborted. */
  readonly signal?: AbortSignal;
}

/** When a change may be made. */
export interface PublishOptions {
  /** Only if the topic's version is still this one. */
  readonly ifVersion?: string;
  /** Only if there is no such topic. */
  readonly ifAbsent?: boolean;
  /** Stops waiting for the verdict when it is aborted. The change may be made all the same. */
  readonly signal?: AbortSignal;
}

/** A topic's properties, where they are not what the gateway's rules say. */
export interface TopicProperties {
  /** A value topic, which has one current value, or an event topic, which has an ordered list. */
  readonly kind: "value" | "event";
  /** The type of its values. */
  readonly type?: "json" | "text" | "binary" | "int64" | "double";
  /** Whether someone who subscribes later is told the current value: yes. */
  readonly retain?: boolean;
  /** Whether a slow subscriber may be told fewer, newer values: yes. */
  readonly conflate?: boolean;
  /** How many past events are kept at the most: 100. */
  readonly history?: number;
  /** How long past events are kept at the most, in milliseconds; 0, no limit. */
  readonly historyAgeMs?: number;
}

/** What is asked for once. */
export interface FetchOptions {
  /** The most values or events to be given: 1,000. */
  readonly limit?: number;
  /** Stops waiting when it is aborted. */
  readonly signal?: AbortSignal;
}

/** @internal Number and argument of a start, as the module takes them. */
export function historyOf(from: HistoryStart): [number, bigint] {
  if (from === "live") return [1, 0n];
  if (from === "all") return [3, 0n];
  return "last" in from ? [2, BigInt(Math.max(0, Math.trunc(from.last)))] : [4, BigInt(from.after)];
}
