import { errorOf } from "./errors.js";
import { Codes } from "./numbers.js";

/** The type of a topic's values. */
export type ValueType = "json" | "text" | "binary" | "int64" | "double";

const TYPES: readonly ValueType[] = ["json", "text", "binary", "int64", "double"];
const encoder = new TextEncoder();
// A byte order mark is a character like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A value of a declared type, for topics that are not JSON. What is published without it is JSON.
 *
 * ```ts
 * import { connect, Value } from "outpour";
 *
 * const session = connect("ws://127.0.0.1:7400");
 * await session.set("notes/today", Value.text("Rain until noon."));
 * await session.set("counters/visits", Value.int64(42n));
 * await session.append("frames", Value.binary(new Uint8Array([1, 2, 3])));
 * ```
 */
export class Value {
  /** The type. */
  readonly type: ValueType;
  /** The value as it is sent. */
  readonly bytes: Uint8Array;

  private constructor(type: ValueType, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }

  /** JSON text, sent as it stands. */
  static json(text: string): Value {
    return new Value("json", encoder.encode(text));
  }

  /** Text. */
  static text(text: string): Value {
    return new Value("text", encoder.encode(text));
  }

  /** Bytes. They are copied when they are published. */
  static binary(bytes: Uint8Array): Value {
    return new Value("binary", bytes);
  }

  /** A signed integer of 64 bits. */
  static int64(number: bigint | number): Value {
    const integer = BigInt(number);
    if (BigInt.asIntN(64, integer) !== integer) throw errorOf(Codes.badValue, `${integer} does not fit in 64 bits.`);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, integer, true);
    return new Value("int64", bytes);
  }

  /** A floating-point number of 64 bits. */
  static double(number: number): Value {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, number, true);
    return new Value("double", bytes);
  }

  /** @internal What the caller wants to publish. */
  static from(value: unknown): Value {
    if (value instanceof Value) return value;
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (cause) {
      throw errorOf(Codes.badValue, "It can't be written as JSON.", undefined, cause);
    }
    if (text === undefined) throw errorOf(Codes.badValue, `${typeof value} can't be written as JSON.`);
    return Value.json(text);
  }
}

/** @internal */
export function typeOf(code: number): ValueType {
  return TYPES[code] ?? "binary";
}

/** @internal */
export function codeOf(type: ValueType): number {
  return TYPES.indexOf(type);
}

/** @internal Text as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @internal Text out of UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** @internal A value as the application gets it: JSON parsed, `int64` as a bigint, bytes as a copy. */
export function decodeValue(type: ValueType, bytes: Uint8Array): unknown {
  switch (type) {
    case "json":
      return JSON.parse(decoder.decode(bytes));
    case "text":
      return decoder.decode(bytes);
    case "int64":
      return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true);
    case "double":
      return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
    case "binary":
      return bytes.slice();
  }
}
