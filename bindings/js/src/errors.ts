/** Who has to act for an error to go away. */
export type Fault = "nobody" | "caller" | "peer" | "network" | "gateway";

/** What the WebAssembly module says of a code: name, fault, whether it is retryable, and a sentence, a line each. */
let describe: ((code: number) => string | undefined) | undefined;

/** @internal The module is there: it knows every code. */
export function learnCodes(source: (code: number) => string | undefined): void {
  describe = source;
}

const EARLY: Readonly<Record<number, string>> = {
  4000: "closed\nnobody\n0\nThe session was closed in order.",
  4102: "bad-value\ncaller\n0\nThe value is not well formed for its type.",
  4112: "queue-full\ncaller\n1\nToo many publishes wait for the gateway: await their acknowledgements before sending more.",
  4113: "bad-options\ncaller\n0\nAn option is out of its range.",
  4114: "bad-endpoint\ncaller\n0\nThe address is not a ws:// or wss:// URL.",
  4119: "module-failed\ncaller\n0\nThe WebAssembly module could not be loaded.",
  4404: "internal\ngateway\n0\nA mistake inside Outpour: please report it.",
};

/**
 * Something that went wrong. The number and the name of its code are the same in every language and release;
 * `docs/errors.md` has a page for each.
 *
 * ```ts
 * import { connect, OutpourError } from "outpour";
 *
 * const session = connect("ws://127.0.0.1:7400");
 * try {
 *   await session.set("prices/eurusd", { bid: 1.0841 }, { ifAbsent: true });
 * } catch (error) {
 *   if (error instanceof OutpourError && error.reason === "already-exists") console.log("it is there since", error.version);
 *   else throw error;
 * }
 * ```
 */
export class OutpourError extends Error {
  /** The code's number: 41xx is the caller's fault, 42xx the peer's, 43xx the network's, 44xx the gateway's. */
  readonly code: number;
  /** The code's name, such as `"version-mismatch"`. */
  readonly reason: string;
  /** Who has to act. */
  readonly fault: Fault;
  /** Whether the same call can succeed later without anything being changed. */
  readonly retryable: boolean;
  /** What is known beyond the code; may be empty. */
  readonly detail: string;
  /** For a publish that was refused: the version that the topic has; `undefined` if there is no topic, or none that is known. */
  readonly version: string | undefined;

  /** @internal Use {@link errorOf}. */
  constructor(code: number, parts: readonly string[], detail: string, version: string | undefined, cause: unknown) {
    const [reason = `code-${code}`, fault = "gateway", retryable, message = "Something went wrong."] = parts;
    super(detail === "" ? `${message} (${reason}, ${code})` : `${message} ${detail} (${reason}, ${code})`, { cause });
    this.name = "OutpourError";
    this.code = code;
    this.reason = reason;
    this.fault = fault as Fault;
    this.retryable = retryable === "1";
    this.detail = detail;
    this.version = version;
  }
}

/** The application that made the call has to change something. */
export class CallerError extends OutpourError {
  /** The name of the class, which is printed with the error. */
  override readonly name = "CallerError";
}

/** The other side broke the protocol. */
export class PeerError extends OutpourError {
  /** The name of the class, which is printed with the error. */
  override readonly name = "PeerError";
}

/** Something between the two failed. */
export class NetworkError extends OutpourError {
  /** The name of the class, which is printed with the error. */
  override readonly name = "NetworkError";
}

/** The gateway can't, or met a limit that its operator set. */
export class GatewayError extends OutpourError {
  /** The name of the class, which is printed with the error. */
  override readonly name = "GatewayError";
}

/** The session was closed in order. */
export class ClosedError extends OutpourError {
  /** The name of the class, which is printed with the error. */
  override readonly name = "ClosedError";
}

const CLASSES = {
  nobody: ClosedError,
  caller: CallerError,
  peer: PeerError,
  network: NetworkError,
  gateway: GatewayError,
} as const;

/** @internal The error with a code. */
export function errorOf(code: number, detail = "", version?: string, cause?: unknown): OutpourError {
  const parts = (describe?.(code) ?? EARLY[code] ?? "").split("\n").filter((part) => part !== "");
  const Class = CLASSES[(parts[1] ?? "gateway") as Fault] ?? GatewayError;
  return new Class(code, parts, detail, version, cause);
}
