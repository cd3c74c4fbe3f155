import type { Condition, Engine } from "./engine.js";
import { errorOf } from "./errors.js";
import { defer, onAbort, type Deferred } from "./listeners.js";
import { Change, Codes } from "./numbers.js";
import type { ConnectOptions, PublishOptions } from "./options.js";
import type { EngineEvent } from "./records.js";
import { codeOf, Value } from "./values.js";

/** The verdict on a publish that was made. */
export interface Acknowledgement {
  /** The version that it gave the topic. */
  readonly version: string;
}

/** A stream of values for one topic, of which only what changed is sent. Made by {@link Session.updateStream}. */
export interface UpdateStream {
  /** The topic. */
  readonly path: string;
  /** Sets the topic. */
  set(value: unknown, options?: PublishOptions): Promise<Acknowledgement>;
  /** Ends the stream. What is on its way is still settled. */
  close(): void;
}

/** The version of what is not there. */
const NO_VERSION = "0";

/** The most publishes that wait for room in the queue. */
const MAX_WAITING = 10_000;

/** Calls an engine as soon as it is there; the other function, if it never will be. @internal */
export type WhenStarted = (task: (engine: Engine) => void, otherwise?: (error: unknown) => void) => void;

/** The publishes of a session that wait for their verdict. @internal */
export class Publishing {
  readonly #queue: ConnectOptions["queue"];
  readonly #whenStarted: WhenStarted;
  readonly #sent = new Map<number, Deferred<Acknowledgement>>();
  /** What was asked for before the engine was there. */
  readonly #unsent = new Set<Deferred<Acknowledgement>>();
  #waiting: (() => void)[] = [];

  constructor(queue: ConnectOptions["queue"], whenStarted: WhenStarted) {
    this.#queue = queue;
    this.#whenStarted = whenStarted;
  }

  value(path: string, change: number, value: unknown, options: PublishOptions): Promise<Acknowledgement> {
    return this.#value(value, options, (engine, type, bytes, condition) =>
      engine.publish(path, change, type, bytes, 0, condition),
    );
  }

  publish(options: PublishOptions, send: (engine: Engine, condition: Condition) => number): Promise<Acknowledgement> {
    const verdict = defer<Acknowledgement>();
    const stop = onAbort(options.signal, verdict.reject);
    void verdict.promise.finally(stop).catch(() => {});
    if (options.signal?.aborted === true) return verdict.promise;
    try {
      const condition = conditionOf(options);
      const attempt = (engine: Engine): void => {
        this.#unsent.delete(verdict);
        const ticket = send(engine, condition);
        if (ticket >= 0) this.#sent.set(ticket, verdict);
        else if (ticket === -Codes.queueFull && this.#queue?.whenFull === "wait" && this.#waiting.length < MAX_WAITING) {
          this.#waiting.push(() => this.#whenStarted(attempt, verdict.reject));
        } else verdict.reject(errorOf(-ticket));
      };
      this.#unsent.add(verdict);
      this.#whenStarted(attempt, verdict.reject);
    } catch (error) {
      verdict.reject(error);
    }
    return verdict.promise;
  }

  stream(path: string): UpdateStream {
    let opened: number | undefined;
    return {
      path,
      set: (value, options = {}) =>
        this.#value(value, options, (engine, type, bytes, condition) =>
          engine.publish(path, Change.stream, type, bytes, (opened ??= engine.openStream()), condition),
        ),
      close: () =>
        this.#whenStarted((engine) => {
          if (opened !== undefined) engine.closeStream(opened);
        }),
    };
  }

  settle({ ticket, code, version }: EngineEvent & { kind: "settled" }): void {
    const verdict = this.#sent.get(ticket);
    this.#sent.delete(ticket);
    if (code === 0) verdict?.resolve({ version });
    else verdict?.reject(errorOf(code, "", version === NO_VERSION ? undefined : version));
    for (const retry of this.#waiting.splice(0)) retry();
  }

  /** The session is over: nothing more is settled. */
  end(reason: unknown): void {
    for (const verdict of [...this.#sent.values(), ...this.#unsent]) verdict.reject(reason);
    this.#sent.clear();
    this.#unsent.clear();
    for (const retry of this.#waiting.splice(0)) retry();
  }

  #value(
    value: unknown,
    options: PublishOptions,
    send: (engine: Engine, type: number, bytes: Uint8Array, condition: Condition) => number,
  ): Promise<Acknowledgement> {
    try {
      const { type, bytes } = Value.from(value);
      return this.publish(options, (engine, condition) => send(engine, codeOf(type), bytes, condition));
    } catch (error) {
      const { promise, reject } = defer<never>();
      reject(error);
      return promise;
    }
  }
}

function conditionOf({ ifVersion, ifAbsent }: PublishOptions): Condition {
  if (ifVersion !== undefined && ifAbsent === true)
    throw errorOf(Codes.badOptions, "Give `ifVersion` or `ifAbsent`, not both.");
  if (ifAbsent === true) return [1, 0n];
  if (ifVersion === undefined) return [0, 0n];
  if (!/^\d{1,20}$/.test(ifVersion)) throw errorOf(Codes.badOptions, "`ifVersion` is a version: a decimal number.");
  return [2, BigInt(ifVersion)];
}
