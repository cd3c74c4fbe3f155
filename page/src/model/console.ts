import { connect, type ConnectionState, type Session } from "outpour";
import { FaultyNetwork, type Traffic as ConnectionTraffic } from "../network/faults";
import { Topics } from "./topics";
import { Traffic } from "./traffic";

/** What the gateway says of itself at `console.json`. */
export interface Facts {
  readonly version: string;
  /** The other gateways of the same log. */
  readonly gateways: readonly string[];
}

/** What a return after a lost connection took. */
export interface Return {
  /** Bytes of messages, the first of which rides in the request that opens the connection. */
  readonly down: number;
  readonly up: number;
  readonly awayMs: number;
  readonly outcome: "complete" | "gaps" | "afresh";
  readonly url: string;
  /** Whether it is another gateway than before. */
  readonly elsewhere: boolean;
  /** The bytes of all values held, which a new session would have been sent. */
  readonly heldBytes: number;
}

/** The page's session and what it has learned: everything that the views show. */
export class Console {
  readonly facts: Facts;
  readonly network = new FaultyNetwork();
  readonly session: Session;
  readonly topics: Topics;
  readonly traffic = new Traffic();
  readonly endpoints: readonly string[];
  lastReturn: Return | undefined;
  /** When the connection was lost, while there is none. */
  lostAt: number | undefined;
  /** The newest connection, and the one before. */
  #newest: ConnectionTraffic | undefined;
  #former: ConnectionTraffic | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(facts: Facts, own: string, credentials: string | undefined) {
    this.facts = facts;
    this.endpoints = [own, ...facts.gateways];
    this.session = connect(this.endpoints, {
      agent: `outpour-console/${facts.version}`,
      WebSocket: this.network.WebSocket,
      ...(credentials === undefined ? {} : { credentials }),
    });
    this.topics = new Topics(this.session);
    this.session.subscribe("**", {}, (updates) => this.topics.take(updates));
    this.session.onConnection((state) => this.#connection(state));
    this.session.onResumed(({ awayMs, outcome }) => {
      this.#noteConnection();
      const current = this.#newest;
      if (current === undefined) return;
      this.lastReturn = {
        down: current.down,
        up: current.up,
        awayMs,
        outcome,
        url: current.url,
        elsewhere: this.#former !== undefined && this.#former.url !== current.url,
        heldBytes: this.#heldBytes(),
      };
      this.#changed();
    });
    this.network.onChange(() => this.#changed());
  }

  get connection(): ConnectionState {
    return this.session.connection;
  }

  /** Calls back when connection, network or the last return have changed. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The network is back; the SDK is told as the browser's own `online` event would tell it. */
  restore(): void {
    this.network.restore();
    this.session.networkUp();
  }

  goElsewhere(): void {
    this.network.leave();
  }

  #connection(state: ConnectionState): void {
    if (state.state === "connected") {
      this.lostAt = undefined;
      this.#noteConnection();
    } else {
      this.lostAt ??= performance.now();
    }
    this.#changed();
  }

  #noteConnection(): void {
    if (this.network.current === this.#newest) return;
    this.#former = this.#newest;
    this.#newest = this.network.current;
  }

  #heldBytes(): number {
    let held = 0;
    for (const topic of this.topics.all()) held += this.topics.bytes(topic)?.length ?? 0;
    return held;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
