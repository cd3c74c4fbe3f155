import type { Condition, EngineSettings, LocalEngine } from "./engine.js";
import { errorOf } from "./errors.js";
import type { WebSocketConstructor } from "./options.js";
import { readEvents, readReplicas, type EngineEvent, type Replica } from "./records.js";
import { readUpdates, type Update } from "./updates.js";
import { decodeText, encodeText } from "./values.js";

/** What the module exports: `wasm/src/engine.rs`, `exchange.rs` and `socket_events.rs` say what each does. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  arguments(length: number): number;
  answer(): number;
  describe_code(code: number): number;
  engine_new(flags: number, agentLength: number): number;
  engine_free(engine: number): void;
  engine_connect(engine: number): void;
  engine_close(engine: number, flushMs: number): void;
  engine_records(engine: number): number;
  engine_take(engine: number, id: number, bytes: number): number;
  engine_subscribe(engine: number, maxRate: number, from: number, fromNumber: bigint): number;
  engine_unsubscribe(engine: number, id: number): void;
  engine_publish(
    engine: number,
    pathLength: number,
    change: number,
    type: number,
    stream: number,
    ...condition: Condition
  ): number;
  engine_create(
    engine: number,
    flags: number,
    type: number,
    history: number,
    historyAgeMs: number,
    condition: number,
  ): number;
  engine_open_stream(engine: number): number;
  engine_close_stream(engine: number, id: number): void;
  engine_fetch(engine: number, history: number, historyNumber: bigint, limit: number): number;
  engine_cancel_fetch(engine: number, id: number): void;
  engine_replica(engine: number): number;
  engine_replicas(engine: number): number;
  engine_signal(engine: number, hint: number): void;
  engine_ping(engine: number): void;
  engine_statistics(engine: number): number;
  engine_principal(engine: number): number;
  engine_provide(engine: number, question: number, areThere: number): void;
  engine_export(engine: number, maxBytes: number): number;
  engine_import(engine: number): number;
  opened(engine: number, socket: number): void;
  received(engine: number, socket: number): void;
  received_text(engine: number, socket: number): void;
  failed(engine: number, socket: number): void;
  closed(engine: number, socket: number, code: number): void;
  tick(engine: number): void;
}

/** The number of an engine without one, and of its sockets: the module knows none with it. */
const NONE = 0;

/** The WebAssembly module, loaded and instantiated. @internal */
export class Boundary {
  readonly #engines = new Map<number, ModuleEngine>();
  #exports!: Exports;

  /** What the module imports: `wasm/src/platform.rs` says what each does. */
  readonly imports: WebAssembly.Imports = {
    o: {
      ready: (engine: number) => this.#engines.get(engine)?.ready(),
      open: (engine: number, socket: number, url: number, urlLength: number, protocols: number, protocolsLength: number) =>
        this.#engines
          .get(engine)
          ?.open(socket, this.#text(url, urlLength), this.#text(protocols, protocolsLength).split(",")),
      // Copied: some implementations of `WebSocket` read it later.
      send: (engine: number, socket: number, message: number, length: number) =>
        this.#engines.get(engine)?.send(socket, this.#bytes(message, length).slice()),
      buffered: (engine: number, socket: number) => this.#engines.get(engine)?.buffered(socket) ?? 0,
      close: (engine: number, socket: number, code: number) => this.#engines.get(engine)?.hangUp(socket, code),
      wake: (engine: number, milliseconds: number) => this.#engines.get(engine)?.wake(milliseconds),
      monotonic_now: () => performance.now(),
      wall_now: () => Date.now(),
    },
  };

  /** The module is instantiated. */
  attach(instance: WebAssembly.Instance): void {
    this.#exports = instance.exports as unknown as Exports;
  }

  get exports(): Exports {
    return this.#exports;
  }

  /** Writes a call's arguments, one behind the other. To be called last before the call. */
  write(...parts: readonly (Uint8Array | string)[]): number[] {
    const encoded = parts.map((part) => (typeof part === "string" ? encodeText(part) : part));
    const lengths = encoded.map((part) => part.length);
    let at = this.#exports.arguments(lengths.reduce((sum, length) => sum + length, 0));
    const memory = new Uint8Array(this.#exports.memory.buffer);
    for (const part of encoded) {
      memory.set(part, at);
      at += part.length;
    }
    return lengths;
  }

  /** What a call answered with: a copy. */
  read(length: number): Uint8Array<ArrayBuffer> {
    return this.#bytes(this.#exports.answer(), length).slice();
  }

  /** What is known of a code: name, fault, whether it is retryable, and a sentence, a line each. */
  readonly describeCode = (code: number): string => decodeText(this.read(this.#exports.describe_code(code)));

  /** An engine in this thread. @throws what is wrong with its settings. */
  start(
    { endpoints, agent, flags, figures }: EngineSettings,
    WebSocket: WebSocketConstructor,
    ready: () => void,
  ): LocalEngine {
    const random = crypto.getRandomValues(new Uint8Array(24));
    const agentLength = encodeText(agent).length;
    this.write(random, new Uint8Array(Float64Array.from(figures).buffer), agent + endpoints.join("\n"));
    const engine = this.#exports.engine_new(flags, agentLength);
    if (engine < 0) throw errorOf(-engine);
    const local = new ModuleEngine(this, engine, WebSocket, ready, () => this.#engines.delete(engine));
    this.#engines.set(engine, local);
    return local;
  }

  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  #text(at: number, length: number): string {
    return decodeText(this.#bytes(at, length));
  }
}

/** An engine of the module, its sockets and its timer. */
class ModuleEngine implements LocalEngine {
  readonly #boundary: Boundary;
  readonly #call: Exports;
  #number: number;
  readonly #WebSocket: WebSocketConstructor;
  readonly #sockets = new Map<number, WebSocket>();
  readonly #forget: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** There is something to take. */
  readonly ready: () => void;

  constructor(boundary: Boundary, number: number, WebSocket: WebSocketConstructor, ready: () => void, forget: () => void) {
    this.#boundary = boundary;
    this.#call = boundary.exports;
    this.#number = number;
    this.#WebSocket = WebSocket;
    this.ready = ready;
    this.#forget = forget;
  }

  open(id: number, url: string, protocols: string[]): void {
    const call = this.#call;
    const write = (part: Uint8Array | string): void => void this.#boundary.write(part);
    const fail = (detail: string): void => {
      write(detail);
      call.failed(this.#number, id);
    };
    let socket: WebSocket;
    try {
      socket = new this.#WebSocket(url, protocols);
    } catch (error) {
      return fail(`${url}: ${(error as Error | undefined)?.message}`);
    }
    this.#sockets.set(id, socket);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      write(socket.protocol);
      call.opened(this.#number, id);
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== "object" || data === null) return call.received_text(this.#number, id);
      write(new Uint8Array(data as ArrayBuffer));
      call.received(this.#number, id);
    };
    socket.onerror = (event) => fail((event as ErrorEvent).message || "the connection could not be made");
    socket.onclose = ({ code, reason }) => {
      write(reason || `the WebSocket was closed with code ${code}`);
      call.closed(this.#number, id, code);
    };
  }

  send(id: number, message: Uint8Array<ArrayBuffer>): void {
    try {
      this.#sockets.get(id)?.send(message);
    } catch {
      // Its close event says so.
    }
  }

  buffered(id: number): number {
    return this.#sockets.get(id)?.bufferedAmount ?? 0;
  }

  hangUp(id: number, code: number): void {
    const socket = this.#sockets.get(id);
    if (socket === undefined) return;
    this.#sockets.delete(id);
    socket.onopen = socket.onmessage = socket.onclose = null;
    // Some implementations throw an error that nobody listens to.
    socket.onerror = () => {};
    try {
      if (code === 0) socket.close();
      else socket.close(code);
    } catch {
      // It is not heard of any more, whatever it does.
    }
  }

  wake(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#call.tick(this.#number), milliseconds);
  }

  free(): void {
    for (const id of this.#sockets.keys()) this.hangUp(id, 0);
    clearTimeout(this.#timer);
    this.#forget();
    this.#call.engine_free(this.#number);
    this.#number = NONE;
  }

  connect(): void {
    this.#call.engine_connect(this.#number);
  }

  close(flushMs: number): void {
    this.#call.engine_close(this.#number, flushMs);
  }

  events(): EngineEvent[] {
    return readEvents(this.#boundary.read(this.#call.engine_records(this.#number)));
  }

  take<T>(id: number, bytes: number): Update<T>[] {
    return readUpdates(this.takeBytes(id, bytes));
  }

  takeBytes(id: number, bytes: number): Uint8Array {
    return this.#boundary.read(this.#call.engine_take(this.#number, id, bytes));
  }

  subscribe(selector: string, maxRate: number, from: readonly [number, bigint]): number {
    this.#boundary.write(selector);
    return this.#call.engine_subscribe(this.#number, maxRate, ...from);
  }

  unsubscribe(id: number): void {
    this.#call.engine_unsubscribe(this.#number, id);
  }

  publish(path: string, change: number, type: number, bytes: Uint8Array, stream: number, condition: Condition): number {
    const [pathLength = 0] = this.#boundary.write(path, bytes);
    return this.#call.engine_publish(this.#number, pathLength, change, type, stream, ...condition);
  }

  create(path: string, flags: number, type: number, history: number, historyAgeMs: number, condition: number): number {
    this.#boundary.write(path);
    return this.#call.engine_create(this.#number, flags, type, history, historyAgeMs, condition);
  }

  openStream(): number {
    return this.#call.engine_open_stream(this.#number);
  }

  closeStream(id: number): void {
    this.#call.engine_close_stream(this.#number, id);
  }

  fetch(selector: string, history: readonly [number, bigint] | undefined, limit: number): number {
    this.#boundary.write(selector);
    return this.#call.engine_fetch(this.#number, ...(history ?? ([0, 0n] as const)), limit);
  }

  cancelFetch(id: number): void {
    this.#call.engine_cancel_fetch(this.#number, id);
  }

  replica<T>(path: string): Replica<T> | undefined {
    this.#boundary.write(path);
    return readReplicas<T>(this.#boundary.read(this.#call.engine_replica(this.#number)))[0];
  }

  replicas<T>(selector: string): Replica<T>[] {
    this.#boundary.write(selector);
    return readReplicas<T>(this.#boundary.read(this.#call.engine_replicas(this.#number)));
  }

  signal(hint: number): void {
    this.#call.engine_signal(this.#number, hint);
  }

  ping(): void {
    this.#call.engine_ping(this.#number);
  }

  statistics(): ArrayLike<number> {
    return new Float64Array(this.#boundary.read(this.#call.engine_statistics(this.#number)).buffer);
  }

  principal(): string {
    return decodeText(this.#boundary.read(this.#call.engine_principal(this.#number)));
  }

  provide(question: number, credentials: Uint8Array | undefined, problem: string): void {
    this.#boundary.write(credentials ?? problem);
    this.#call.engine_provide(this.#number, question, credentials === undefined ? 0 : 1);
  }

  export(maxBytes: number): Uint8Array {
    return this.#boundary.read(this.#call.engine_export(this.#number, maxBytes));
  }

  import(bytes: Uint8Array): number {
    this.#boundary.write(bytes);
    return this.#call.engine_import(this.#number);
  }
}
