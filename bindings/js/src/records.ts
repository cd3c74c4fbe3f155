import { hex } from "./updates.js";
import { decodeText, decodeValue, typeOf, type ValueType } from "./values.js";

/** Events of a topic that will not come. */
export interface MissedEvents {
  /** The topic. */
  readonly path: string;
  /** The sequence number of the first one missing. */
  readonly first: number;
  /** That of the last one missing. */
  readonly last: number;
}

/** What came of going on after a lost connection. */
export interface Resumption {
  /** For how many milliseconds the session was away. */
  readonly awayMs: number;
  /**
   * `complete`: nothing is missing. `gaps`: the events in `missed` are no longer kept. `afresh`: the log began anew, and
   * everything was told from the beginning.
   */
  readonly outcome: "complete" | "gaps" | "afresh";
  /** The gaps, of the first 1,000 topics. */
  readonly missed: readonly MissedEvents[];
  /** How many gaps there are beside these. */
  readonly more: number;
}

/** One value or event that a fetch asked for. */
export interface FetchedItem<T = unknown> {
  /** The topic. */
  readonly path: string;
  /** Whether it is a value, or an event of an event topic. */
  readonly kind: "value" | "event";
  /** The type of `value`. */
  readonly type: ValueType;
  /** The value or event. */
  readonly value: T;
  /** The value or event as it was published. Part of a buffer that the answer shares: copy it to keep it. */
  readonly bytes: Uint8Array;
  /** Its version. */
  readonly version: string;
  /** For events: counts from 1. */
  readonly sequence: number;
}

/** A topic's newest value, as the session holds it. */
export interface Replica<T = unknown> {
  /** The topic. */
  readonly path: string;
  /** The type of `value`. */
  readonly type: ValueType;
  /** The value. */
  readonly value: T;
  /** The value as it was published. */
  readonly bytes: Uint8Array;
  /** Its version. */
  readonly version: string;
  /** How many milliseconds ago it was received. */
  readonly ageMs: number;
  /** Whether the gateway can't be heard of now, so that there may be a newer one. */
  readonly stale: boolean;
}

/** What an engine has to say. @internal */
export type EngineEvent =
  | { readonly kind: "connecting"; readonly attempt: number }
  | { readonly kind: "connected" | "moved"; readonly epoch: string }
  | { readonly kind: "disconnected"; readonly code: number; readonly detail: string; readonly retryInMs: number }
  | { readonly kind: "closed"; readonly code: number; readonly detail: string }
  | { readonly kind: "suspended" }
  | { readonly kind: "moving"; readonly withinMs: number }
  | { readonly kind: "resumed"; readonly resumption: Resumption }
  | { readonly kind: "subscribed"; readonly id: number; readonly topics: number }
  | { readonly kind: "refused"; readonly id: number; readonly code: number }
  | { readonly kind: "settled"; readonly ticket: number; readonly code: number; readonly version: string }
  | {
      readonly kind: "fetched";
      readonly id: number;
      readonly code: number;
      readonly more: boolean;
      readonly items: FetchedItem[];
    }
  | { readonly kind: "readable"; readonly id: number }
  | { readonly kind: "credentials"; readonly id: number; readonly expired: boolean };

/** Reads fields one after the other, as `wasm/src/records.rs` writes them. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): string {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, true).toString();
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  take(length: number): Uint8Array {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  bytes(): Uint8Array {
    return this.take(this.u32());
  }

  text(): string {
    return decodeText(this.bytes());
  }
}

/** @internal Reads a buffer of events. */
export function readEvents(bytes: Uint8Array): EngineEvent[] {
  const reader = new Reader(bytes);
  const events: EngineEvent[] = [];
  while (!reader.isDone) events.push(readEvent(reader));
  return events;
}

function readEvent(reader: Reader): EngineEvent {
  switch (reader.u8()) {
    case 16:
      return { kind: "connecting", attempt: reader.u32() };
    case 17:
      return { kind: "connected", epoch: hex(reader.take(16)) };
    case 18:
      return { kind: "disconnected", code: reader.u16(), detail: reader.text(), retryInMs: reader.f64() };
    case 19:
      return { kind: "closed", code: reader.u16(), detail: reader.text() };
    case 20:
      return { kind: "suspended" };
    case 21:
      return { kind: "moving", withinMs: reader.f64() };
    case 22:
      return { kind: "resumed", resumption: readResumption(reader) };
    case 23:
      return { kind: "subscribed", id: reader.u32(), topics: reader.f64() };
    case 24:
      return { kind: "refused", id: reader.u32(), code: reader.u16() };
    case 25:
      return { kind: "settled", ticket: reader.f64(), code: reader.u16(), version: reader.u64() };
    case 26:
      return readFetched(reader);
    case 27:
      return { kind: "readable", id: reader.u32() };
    case 28:
      return { kind: "credentials", id: reader.f64(), expired: reader.u8() !== 0 };
    case 29:
      return { kind: "moved", epoch: hex(reader.take(16)) };
    default:
      throw new Error("the WebAssembly module is of another version than this package");
  }
}

function readResumption(reader: Reader): Resumption {
  const awayMs = reader.f64();
  const outcome = (["complete", "gaps"] as const)[reader.u8()] ?? "afresh";
  const more = reader.f64();
  const missed = Array.from({ length: reader.u32() }, () => ({
    path: reader.text(),
    first: reader.f64(),
    last: reader.f64(),
  }));
  return { awayMs, outcome, missed, more };
}

function readFetched(reader: Reader): EngineEvent {
  const id = reader.f64();
  const code = reader.u16();
  if (code !== 0) return { kind: "fetched", id, code, more: false, items: [] };
  const more = reader.u8() !== 0;
  const items = Array.from({ length: reader.u32() }, (): FetchedItem => {
    const path = reader.text();
    const kind = reader.u8() === 0 ? "value" : "event";
    const type = typeOf(reader.u8());
    const version = reader.u64();
    const sequence = reader.f64();
    const bytes = reader.bytes();
    return { path, kind, type, value: decodeValue(type, bytes), bytes, version, sequence };
  });
  return { kind: "fetched", id, code, more, items };
}

class HeldReplica<T> implements Replica<T> {
  readonly path: string;
  readonly type: ValueType;
  readonly bytes: Uint8Array;
  readonly version: string;
  readonly ageMs: number;
  readonly stale: boolean;
  #value: T | undefined;
  #isDecoded = false;

  constructor(reader: Reader) {
    this.ageMs = reader.f64();
    this.stale = reader.u8() !== 0;
    this.type = typeOf(reader.u8());
    this.version = reader.u64();
    this.path = reader.text();
    this.bytes = reader.bytes();
  }

  get value(): T {
    if (!this.#isDecoded) {
      this.#value = decodeValue(this.type, this.bytes) as T;
      this.#isDecoded = true;
    }
    return this.#value as T;
  }
}

/** @internal Reads a buffer of replicas, if there is one. */
export function readReplicas<T>(bytes: Uint8Array | undefined): Replica<T>[] {
  if (bytes === undefined) return [];
  const reader = new Reader(bytes);
  const replicas: Replica<T>[] = [];
  while (!reader.isDone) replicas.push(new HeldReplica<T>(reader));
  return replicas;
}
