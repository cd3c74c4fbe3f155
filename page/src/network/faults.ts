/**
 * A network that can be cut and stalled: the class `FaultyNetwork.WebSocket` is a `WebSocket` that obeys it, and is handed
 * to the SDK in place of the browser's own. So everything that the page shows about lost connections happens to the SDK as
 * it would on a train; nothing in it is told what is going on.
 */

/** What the network does to traffic. */
export type Weather = "fair" | "cut" | "stalled";

/** What has crossed one connection since it was asked for, in bytes of messages. */
export interface Traffic {
  readonly url: string;
  down: number;
  up: number;
}

type Held = () => void;

export class FaultyNetwork {
  #weather: Weather = "fair";
  #shunned: string | undefined;
  readonly #sockets = new Set<FaultySocket>();
  readonly #listeners = new Set<() => void>();
  /** The newest connection that opened. */
  current: Traffic | undefined;
  /** The constructor to hand to `connect`. */
  readonly WebSocket: typeof WebSocket;

  constructor() {
    const network = this;
    this.WebSocket = class extends FaultySocket {
      constructor(url: string | URL, protocols: string | string[] = []) {
        super(network, String(url), typeof protocols === "string" ? [protocols] : protocols);
      }
    } as unknown as typeof WebSocket;
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** Calls back whenever the weather or the connection has changed. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Every connection breaks, and none can be opened. */
  cut(): void {
    this.#set("cut");
    for (const socket of [...this.#sockets]) socket.break();
  }

  /** Nothing moves any more, and nobody is told. */
  stall(): void {
    this.#set("stalled");
  }

  /** Traffic flows again; what was held arrives. */
  restore(): void {
    this.#set("fair");
    for (const socket of [...this.#sockets]) socket.release();
  }

  /** The gateway of the current connection is out of reach until another has been reached. */
  leave(): void {
    this.#shunned = this.current?.url;
    for (const socket of [...this.#sockets]) socket.break();
    this.#changed();
  }

  /** @internal */
  reaches(url: string): boolean {
    return this.#weather !== "cut" && url !== this.#shunned;
  }

  /** @internal */
  opened(socket: FaultySocket): void {
    if (socket.traffic.url !== this.#shunned) this.#shunned = undefined;
    this.current = socket.traffic;
    this.#changed();
  }

  /** @internal */
  admit(socket: FaultySocket): void {
    this.#sockets.add(socket);
  }

  /** @internal */
  dismiss(socket: FaultySocket): void {
    this.#sockets.delete(socket);
  }

  #set(weather: Weather): void {
    this.#weather = weather;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The first message may ride among the subprotocols, under this name. */
const EARLY = "hello.";

class FaultySocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  readonly traffic: Traffic;
  readonly url: string;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  readonly #network: FaultyNetwork;
  #real: WebSocket | undefined;
  #state: 0 | 1 | 2 | 3 = 0;
  /** What a stalled network keeps from either side, in order. */
  #held: Held[] = [];
  #heldBytes = 0;

  constructor(network: FaultyNetwork, url: string, protocols: string[]) {
    super();
    this.#network = network;
    this.url = url;
    const early = protocols.find((protocol) => protocol.startsWith(EARLY));
    this.traffic = { url, down: 0, up: early === undefined ? 0 : early.length - EARLY.length };
    network.admit(this);
    if (!network.reaches(url)) {
      // As a refused connection: later, and with an error.
      setTimeout(() => this.break(), 20);
      return;
    }
    const real = new WebSocket(url, protocols);
    this.#real = real;
    real.binaryType = "arraybuffer";
    real.onopen = () => this.#pass(() => this.#opened());
    real.onmessage = (event: MessageEvent<ArrayBuffer | string>) => this.#pass(() => this.#message(event.data));
    real.onerror = () => this.#pass(() => this.#emit("error", new Event("error")));
    real.onclose = (event) => this.#pass(() => this.#closed(event));
  }

  get readyState(): number {
    return this.#state;
  }

  get protocol(): string {
    return this.#real?.protocol ?? "";
  }

  get extensions(): string {
    return this.#real?.extensions ?? "";
  }

  get binaryType(): BinaryType {
    return "arraybuffer";
  }

  set binaryType(kind: BinaryType) {
    if (kind !== "arraybuffer") throw new TypeError("only ArrayBuffer is handed on here");
  }

  get bufferedAmount(): number {
    return (this.#real?.bufferedAmount ?? 0) + this.#heldBytes;
  }

  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    if (this.#state === 0) throw new DOMException("still connecting", "InvalidStateError");
    const length = typeof data === "string" ? data.length : data.byteLength;
    this.traffic.up += length;
    if (this.#network.weather === "fair") {
      this.#real?.send(data);
      return;
    }
    // The caller may use its buffer again.
    const kept =
      typeof data === "string"
        ? data
        : new Uint8Array(data instanceof ArrayBuffer ? data : data.buffer.slice(data.byteOffset, data.byteOffset + length));
    this.#heldBytes += length;
    this.#held.push(() => {
      this.#heldBytes -= length;
      if (this.#real?.readyState === WebSocket.OPEN) this.#real.send(kept);
    });
  }

  close(code?: number, reason?: string): void {
    if (this.#state >= 2) return;
    this.#state = 2;
    if (this.#network.weather === "fair" && this.#real !== undefined) {
      this.#real.close(code, reason);
    } else {
      // The other side can't answer; a browser gives up in the end.
      setTimeout(() => this.break(), 1000);
    }
  }

  /** The connection is gone, as when its path is. */
  break(): void {
    if (this.#state === 3) return;
    const real = this.#real;
    if (real !== undefined) {
      real.onopen = real.onmessage = real.onerror = real.onclose = null;
      real.close();
    }
    this.#held = [];
    this.#state = 3;
    this.#network.dismiss(this);
    this.#emit("error", new Event("error"));
    this.#emit("close", new CloseEvent("close", { code: 1006, wasClean: false }));
  }

  /** What was held goes on its way. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const go of held) go();
  }

  #pass(arrive: Held): void {
    if (this.#network.weather === "fair" && this.#held.length === 0) arrive();
    else this.#held.push(arrive);
  }

  #opened(): void {
    if (this.#state !== 0) return;
    this.#state = 1;
    this.#network.opened(this);
    this.#emit("open", new Event("open"));
  }

  #message(data: ArrayBuffer | string): void {
    if (this.#state !== 1) return;
    this.traffic.down += typeof data === "string" ? data.length : data.byteLength;
    this.#emit("message", new MessageEvent("message", { data }));
  }

  #closed(event: CloseEvent): void {
    if (this.#state === 3) return;
    this.#state = 3;
    this.#network.dismiss(this);
    const { code, reason, wasClean } = event;
    this.#emit("close", new CloseEvent("close", { code, reason, wasClean }));
  }

  #emit(type: "open" | "message" | "error" | "close", event: Event): void {
    const handler = this[`on${type}`] as ((event: Event) => void) | null;
    handler?.call(this, event);
    this.dispatchEvent(event);
  }
}
