import type { WebSocketConstructor } from "./options.js";
import type { EngineEvent, Replica } from "./records.js";
import type { Update } from "./updates.js";

/** The WebAssembly module, loaded: what an entry of the package hands to a session. @internal */
export interface Module {
  start(settings: EngineSettings, WebSocket: WebSocketConstructor, ready: () => void): LocalEngine;
  readonly describeCode: (code: number) => string;
}

/** When a change may be made, as the module numbers it, and the version for the last one. @internal */
export type Condition = readonly [kind: 0 | 1 | 2, version: bigint];

/** A conversation with a gateway, in this thread or elsewhere. Numbers below zero are codes of errors. @internal */
export interface Engine {
  connect(): void;
  close(flushMs: number): void;
  free(): void;
  events(): EngineEvent[];
  take<T>(id: number, bytes: number): Update<T>[];
  subscribe(selector: string, maxRate: number, from: readonly [number, bigint]): number;
  unsubscribe(id: number): void;
  publish(path: string, change: number, type: number, bytes: Uint8Array, stream: number, condition: Condition): number;
  create(path: string, flags: number, type: number, history: number, historyAgeMs: number, condition: number): number;
  openStream(): number;
  closeStream(id: number): void;
  fetch(selector: string, history: readonly [number, bigint] | undefined, limit: number): number;
  cancelFetch(id: number): void;
  replica<T>(path: string): Replica<T> | undefined;
  replicas<T>(selector: string): Replica<T>[];
  signal(hint: number): void;
  ping(): void;
  statistics(): ArrayLike<number>;
  principal(): string;
  provide(question: number, credentials: Uint8Array | undefined, problem: string): void;
  export(maxBytes: number): Uint8Array;
  import(bytes: Uint8Array): number;
}

/** A conversation in this thread. @internal */
export interface LocalEngine extends Engine {
  /** What `take` gives, before it is read. */
  takeBytes(id: number, bytes: number): Uint8Array;
}

/** What an engine is set up with. @internal */
export interface EngineSettings {
  readonly endpoints: readonly string[];
  readonly agent: string;
  readonly flags: number;
  /** Connect timeout, back-off base and cap (milliseconds), queue count and bytes: 0 for what is usual. */
  readonly figures: readonly number[];
}
