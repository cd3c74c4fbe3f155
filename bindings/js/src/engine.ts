import type { WebSocketConstructor } from "./options.js";
import type { EngineEvent } from "./records.js";

/** The WebAssembly module, loaded: what an entry of the package hands to a session. @internal */
export interface Module {
  start(settings: EngineSettings, WebSocket: WebSocketConstructor, ready: () => void): Engine;
  readonly describeCode: (code: number) => string;
}

/** A change to a topic, as the module numbers them. @internal */
export const Change = { set: 0, append: 1, stream: 2, jsonPatch: 3, mergePatch: 4, remove: 5 } as const;

/** A hint of the platform, as the module numbers them. @internal */
export const Hint = { networkUp: 0, networkDown: 1, resumed: 2, suspending: 3 } as const;

/** When a change may be made, as the module numbers it, and the version for the last one. @internal */
export type Condition = readonly [kind: 0 | 1 | 2, version: bigint];

/** A conversation with a gateway, in this thread or elsewhere. Numbers below zero are codes of errors. @internal */
export interface Engine {
  connect(): void;
  close(flushMs: number): void;
  free(): void;
  events(): EngineEvent[];
  take(id: number, bytes: number): Uint8Array;
  subscribe(selector: string, maxRate: number, from: readonly [number, bigint]): number;
  unsubscribe(id: number): void;
  publish(path: string, change: number, type: number, bytes: Uint8Array, stream: number, condition: Condition): number;
  create(path: string, flags: number, type: number, history: number, historyAgeMs: number, condition: number): number;
  openStream(): number;
  closeStream(id: number): void;
  fetch(selector: string, history: readonly [number, bigint] | undefined, limit: number): number;
  cancelFetch(id: number): void;
  replica(path: string): Uint8Array;
  replicas(selector: string): Uint8Array;
  signal(hint: number): void;
  ping(): void;
  statistics(): ArrayLike<number>;
  principal(): string;
  provide(question: number, credentials: Uint8Array | undefined, problem: string): void;
  export(maxBytes: number): Uint8Array;
  import(bytes: Uint8Array): number;
}

/** What an engine is set up with. @internal */
export interface EngineSettings {
  readonly endpoints: readonly string[];
  readonly agent: string;
  readonly flags: number;
  /** Connect timeout, back-off base and cap (milliseconds), queue count and bytes: 0 for what is usual. */
  readonly figures: readonly number[];
}
