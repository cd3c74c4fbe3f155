import { decodeText, decodeValue, typeOf, type ValueType } from "./values.js";

/** What happened to a topic. */
export type UpdateKind = "value" | "event" | "removed" | "gap";

const KINDS: readonly UpdateKind[] = ["value", "event", "removed", "gap"];
const STALE = 1;
const NEW_EPOCH = 2;
const HEADER_BYTES = 37;

/**
 * One thing that happened to a topic.
 *
 * ```ts
 * import { connect } from "outpour";
 *
 * const session = connect("ws://127.0.0.1:7400");
 * for await (const update of session.subscribe<{ bid: number }>("prices/*")) {
 *   if (update.kind === "value") console.log(update.path, update.value.bid, update.version);
 * }
 * ```
 */
export class Update<T = unknown> {
  /** What happened: a `value` was set, an `event` was appended, the topic was `removed`, or events are missing (`gap`). */
  readonly kind: UpdateKind;
  /** The topic. */
  readonly path: string;
  /** The type of `value`. */
  readonly type: ValueType;
  /** The value or event as it was published; empty for others. Part of a buffer that a batch shares: copy it to keep it. */
  readonly bytes: Uint8Array;
  /** Counts an event topic's events from 1; for a gap, the first event that is missing. */
  readonly sequence: number;
  /** For a gap, the last event that is missing. */
  readonly last: number;
  /** Whether there may be something newer: it was held while the gateway could not be heard of. */
  readonly stale: boolean;
  /** The life of the log that versions and sequence numbers belong to. */
  readonly epoch: string;
  /** How many bytes told of it. */
  readonly wireBytes: number;
  readonly #version: bigint;
  #value: T | undefined;
  #isDecoded = false;

  /** @internal */
  constructor(
    kind: UpdateKind,
    path: string,
    type: ValueType,
    bytes: Uint8Array,
    version: bigint,
    sequence: number,
    last: number,
    stale: boolean,
    epoch: string,
    wireBytes: number,
  ) {
    this.kind = kind;
    this.path = path;
    this.type = type;
    this.bytes = bytes;
    this.sequence = sequence;
    this.last = last;
    this.stale = stale;
    this.epoch = epoch;
    this.wireBytes = wireBytes;
    this.#version = version;
  }

  /** The position of the record that made the change, as a decimal number. */
  get version(): string {
    return this.#version.toString();
  }

  /** @internal Takes a copy of its bytes, so that whoever keeps it does not keep its whole batch. */
  ownBytes(): void {
    (this as { bytes: Uint8Array }).bytes = this.bytes.slice();
  }

  /**
   * The value or event: JSON is parsed when it is first asked for. `undefined` where there is none.
   */
  get value(): T {
    if (!this.#isDecoded) {
      this.#isDecoded = true;
      if (this.kind === "value" || this.kind === "event") this.#value = decodeValue(this.type, this.bytes) as T;
    }
    return this.#value as T;
  }
}

/** @internal Reads a buffer of updates (`wasm/src/update_records.rs`). */
export function readUpdates<T>(buffer: Uint8Array): Update<T>[] {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const updates: Update<T>[] = [];
  let epoch = "";
  for (let at = 0; at < buffer.length;) {
    const flags = view.getUint8(at + 1);
    const pathLength = view.getUint16(at + 3, true);
    const valueLength = view.getUint32(at + 5, true);
    let path = at + HEADER_BYTES;
    if ((flags & NEW_EPOCH) !== 0) {
      epoch = hex(buffer.subarray(path, path + 16));
      path += 16;
    }
    const value = path + pathLength;
    const end = value + valueLength;
    updates.push(
      new Update<T>(
        KINDS[view.getUint8(at) - 1] ?? "removed",
        decodeText(buffer.subarray(path, value)),
        typeOf(view.getUint8(at + 2)),
        buffer.subarray(value, end),
        view.getBigUint64(at + 13, true),
        view.getFloat64(at + 21, true),
        view.getFloat64(at + 29, true),
        (flags & STALE) !== 0,
        epoch,
        view.getUint32(at + 9, true),
      ),
    );
    at = end;
  }
  return updates;
}

/** @internal */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
