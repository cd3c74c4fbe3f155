import type { OutpourError } from "./errors.js";

/** Where the connection stands. */
export type ConnectionState =
  | {
      /** On the way to a gateway. */
      readonly state: "connecting";
      /** Counts attempts since the last connection, from 1. */
      readonly attempt: number;
    }
  | {
      /** Live. */
      readonly state: "connected";
      /** The life of the log that versions belong to. */
      readonly epoch: string;
    }
  | {
      /** Without a connection: replicas stay readable, publishes are queued. */
      readonly state: "disconnected";
      /** Why. */
      readonly error: OutpourError;
      /** In how many milliseconds the next attempt is made; `undefined` if there will be none. */
      readonly retryInMs: number | undefined;
    }
  | {
      /** Asleep after `suspend()`, until `resume()`. */
      readonly state: "suspended";
    }
  | {
      /** Over for good. */
      readonly state: "closed";
      /** Why; `undefined` after `close()`. */
      readonly error: OutpourError | undefined;
    };

/** What a session has counted since it began. */
export interface Statistics {
  /** Messages received. */
  readonly messagesReceived: number;
  /** Bytes of these. */
  readonly bytesReceived: number;
  /** Bytes of messages sent. */
  readonly bytesSent: number;
  /** Values and events received. */
  readonly updates: number;
  /** Bytes that these would have taken whole. */
  readonly fullValueBytes: number;
  /** Values received as deltas. */
  readonly deltas: number;
  /** Values received whole. */
  readonly snapshots: number;
  /** Replicas that could not be continued and were asked for anew. */
  readonly repairs: number;
  /** Connections that were made. */
  readonly connections: number;
  /** How many milliseconds the gateway took to answer last; `undefined` before it was asked. */
  readonly roundTripMs: number | undefined;
}

/** @internal */
export function statisticsOf(counts: ArrayLike<number>): Statistics {
  const at = (index: number): number => counts[index] ?? 0;
  const roundTrip = counts[9] ?? -1;
  return {
    messagesReceived: at(0),
    bytesReceived: at(1),
    bytesSent: at(2),
    updates: at(3),
    fullValueBytes: at(4),
    deltas: at(5),
    snapshots: at(6),
    repairs: at(7),
    connections: at(8),
    roundTripMs: roundTrip < 0 ? undefined : roundTrip,
  };
}
