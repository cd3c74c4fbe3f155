import type { Engine as WasmEngine } from "./wasm/outpour_wasm.js";
import type { WebSocketConstructor } from "./options.js";
import { readEvents, readReplicas, type EngineEvent, type Replica } from "./records.js";
import { readUpdates, type Update } from "./updates.js";

/** The WebAssembly module, loaded: what an entry of the package hands to a session. @internal */
export interface Module {
  readonly Engine: typeof WasmEngine;
  readonly describeCode: (code: number) => string | undefined;
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

/** An engine in this thread. @internal */
export function startEngine(
  module: Module,
  settings: EngineSettings,
  WebSocket: WebSocketConstructor,
  ready: () => void,
): LocalEngine {
  const random = crypto.getRandomValues(new Uint8Array(24));
  const figures = Float64Array.from(settings.figures);
  const { endpoints, agent, flags } = settings;
  const engine = new module.Engine({ ready }, WebSocket, endpoints.join("\n"), agent, flags, figures, random);
  return {
    connect: () => engine.connect(),
    close: (flushMs) => engine.close(flushMs),
    free: () => engine.free(),
    events: () => readEvents(engine.records()),
    take: (id, bytes) => readUpdates(engine.take(id, bytes)),
    takeBytes: (id, bytes) => engine.take(id, bytes),
    subscribe: (selector, maxRate, from) => engine.subscribe(selector, maxRate, ...from),
    unsubscribe: (id) => engine.unsubscribe(id),
    publish: (path, change, type, bytes, stream, condition) =>
      engine.publish(path, change, type, bytes, stream, ...condition),
    create: (path, flags, type, history, ageMs, condition) => engine.create(path, flags, type, history, ageMs, condition),
    openStream: () => engine.open_stream(),
    closeStream: (id) => engine.close_stream(id),
    fetch: (selector, history, limit) => engine.fetch(selector, ...(history ?? ([0, 0n] as const)), limit),
    cancelFetch: (id) => engine.cancel_fetch(id),
    replica: <T>(path: string) => readReplicas<T>(engine.replica(path))[0],
    replicas: (selector) => readReplicas(engine.replicas(selector)),
    signal: (hint) => engine.signal(hint),
    ping: () => engine.ping(),
    statistics: () => engine.statistics(),
    principal: () => engine.principal(),
    provide: (question, credentials, problem) => engine.provide(question, credentials, problem),
    export: (maxBytes) => engine.export(maxBytes),
    import: (bytes) => engine.import(bytes),
  };
}
