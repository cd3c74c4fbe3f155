import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FaultyNetwork } from "../src/network/faults";

/** A socket to a peer that the test plays. */
class PlayedSocket extends EventTarget {
  static readonly OPEN = 1;
  static made: PlayedSocket[] = [];
  readonly sent: unknown[] = [];
  readyState = 0;
  protocol = "outpour.v1";
  extensions = "";
  bufferedAmount = 0;
  binaryType = "blob";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    super();
    PlayedSocket.made.push(this);
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  hear(text: string): void {
    this.onmessage?.({ data: new TextEncoder().encode(text).buffer });
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1000, reason: "", wasClean: true });
  }
}

class PlayedCloseEvent extends Event {
  readonly code: number;
  constructor(type: string, { code }: { code: number }) {
    super(type);
    this.code = code;
  }
}

const last = (): PlayedSocket => PlayedSocket.made.at(-1) as PlayedSocket;

function connect(network: FaultyNetwork, url = "ws://a") {
  const socket = new network.WebSocket(url, ["outpour.v1.early", "outpour.v1", "hello.AAAA"]);
  const told: string[] = [];
  socket.onopen = () => told.push("open");
  socket.onmessage = (event) => told.push(new TextDecoder().decode(event.data as ArrayBuffer));
  socket.onerror = () => told.push("error");
  socket.onclose = (event) => told.push(`close ${event.code}`);
  return { socket, told };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", PlayedSocket);
  vi.stubGlobal("CloseEvent", PlayedCloseEvent);
  PlayedSocket.made = [];
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a fair network", () => {
  it("passes everything on and counts it", () => {
    const network = new FaultyNetwork();
    const { socket, told } = connect(network);
    last().open();
    last().hear("hello");
    socket.send(new Uint8Array(7));
    expect(told).toEqual(["open", "hello"]);
    expect(last().sent).toHaveLength(1);
    expect(network.current).toEqual({ url: "ws://a", down: 5, up: 4 + 7 });
    socket.close();
    expect(told.at(-1)).toBe("close 1000");
    expect(socket.readyState).toBe(3);
  });
});

describe("a cut network", () => {
  it("breaks what is open and refuses what is new, until it is restored", () => {
    const network = new FaultyNetwork();
    const { socket, told } = connect(network);
    last().open();
    network.cut();
    expect(told).toEqual(["open", "error", "close 1006"]);
    expect(socket.readyState).toBe(3);
    const refused = connect(network);
    expect(PlayedSocket.made).toHaveLength(1);
    vi.advanceTimersByTime(100);
    expect(refused.told).toEqual(["error", "close 1006"]);
    network.restore();
    const again = connect(network);
    last().open();
    expect(again.told).toEqual(["open"]);
  });

  it("is silent about a socket that was closed before", () => {
    const network = new FaultyNetwork();
    const { told } = connect(network);
    last().open();
    last().close();
    network.cut();
    expect(told).toEqual(["open", "close 1000"]);
  });
});

describe("a stalled network", () => {
  it("holds both directions in order, and lets them go", () => {
    const network = new FaultyNetwork();
    const { socket, told } = connect(network);
    last().open();
    network.stall();
    last().hear("one");
    last().hear("two");
    const buffer = new Uint8Array([1, 2, 3]);
    socket.send(buffer);
    buffer.fill(9);
    expect(told).toEqual(["open"]);
    expect([last().sent.length, socket.bufferedAmount]).toEqual([0, 3]);
    network.restore();
    expect(told).toEqual(["open", "one", "two"]);
    expect(last().sent).toEqual([new Uint8Array([1, 2, 3])]);
    expect(socket.bufferedAmount).toBe(0);
  });

  it("lets nobody connect, and answers no goodbye", () => {
    const network = new FaultyNetwork();
    const { socket, told } = connect(network);
    network.stall();
    last().open();
    expect(told).toEqual([]);
    socket.close();
    vi.advanceTimersByTime(5000);
    expect(told).toEqual(["error", "close 1006"]);
  });
});

describe("going to another gateway", () => {
  it("keeps the former out of reach until the other is reached", () => {
    const network = new FaultyNetwork();
    const first = connect(network);
    last().open();
    network.leave();
    expect(first.told.at(-1)).toBe("close 1006");
    const again = connect(network);
    vi.advanceTimersByTime(100);
    expect(again.told).toEqual(["error", "close 1006"]);
    const other = connect(network, "ws://b");
    last().open();
    expect(other.told).toEqual(["open"]);
    expect(network.current?.url).toBe("ws://b");
    connect(network);
    expect(last().url).toBe("ws://a");
  });
});
