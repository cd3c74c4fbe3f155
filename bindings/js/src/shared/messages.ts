import type { Condition, EngineSettings } from "../engine.js";
import type { EngineEvent } from "../records.js";

/** Tabs and worker understand each other if they are of the same version: a worker outlives the deployment of new pages. */
export const VERSION = "outpour-shared/1";

/** How a tab introduces itself. */
export interface Hello {
  readonly version: string;
  /** Sessions with the same addresses and the same audience share a connection. */
  readonly audience: string;
  readonly settings: EngineSettings;
  /** The name of the store in IndexedDB, if there is to be one. */
  readonly store: string | undefined;
  /** Whether publishes wait for room in the queue. */
  readonly waits: boolean;
  /** The lock that the tab holds while it lives. */
  readonly lock: string;
}

/** What a tab asks for. Numbers are the tab's own. */
export type Request =
  | readonly [ask: "hello", hello: Hello]
  | readonly [ask: "subscribe", id: number, selector: string, maxRate: number]
  | readonly [ask: "unsubscribe", id: number]
  | readonly [
      ask: "publish",
      ticket: number,
      path: string,
      change: number,
      type: number,
      bytes: Uint8Array,
      stream: number,
      condition: Condition,
    ]
  | readonly [
      ask: "create",
      ticket: number,
      path: string,
      flags: number,
      type: number,
      history: number,
      historyAgeMs: number,
      condition: number,
    ]
  | readonly [ask: "openStream" | "closeStream", id: number]
  | readonly [ask: "fetch", id: number, selector: string, history: readonly [number, bigint] | undefined, limit: number]
  | readonly [ask: "cancelFetch", id: number]
  | readonly [ask: "signal", hint: number]
  | readonly [ask: "ping" | "count" | "leave"]
  | readonly [ask: "provide", question: number, credentials: Uint8Array | undefined, problem: string]
  /** The last report was read, and of these subscriptions there may be more. */
  | readonly [ask: "read", taken: readonly number[]]
  /** Of this subscription there may be more. */
  | readonly [ask: "more", id: number]
  | readonly [ask: "close", flushMs: number];

/** What the worker answers a hello with. */
export type Welcome =
  | {
      readonly kind: "welcome";
      /** What there is to say of each code of errors. */ readonly codes: ReadonlyMap<number, string>;
      /** The lock that the worker holds while it lives. */ readonly lock: string;
    }
  | { readonly kind: "refused"; readonly problem: string };

/** What the worker tells a tab. The next one follows when this one was read. */
export interface Report {
  readonly kind: "report";
  /** Batches of updates, by subscription. */
  readonly updates: readonly (readonly [id: number, batch: Uint8Array])[];
  readonly events: readonly EngineEvent[];
  readonly statistics: ArrayLike<number>;
  readonly principal: string;
}
