// What a scenario holds, and how each step is done with the JavaScript SDK: in Node and in pages alike.

/** The most that is fetched at once. */
const EVERYTHING = 100_000;

/** How scenarios write a value. */
function valueOf({ Value }, written) {
  const [[type, text]] = Object.entries(written);
  switch (type) {
    case "binary":
      return Value.binary(Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16)));
    case "int64":
      return Value.int64(BigInt(text));
    case "double": {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(`0x${text}`));
      return Value.double(view.getFloat64(0));
    }
    default:
      return Value[type](text);
  }
}

/** How scenarios write what the SDK gave: the value, whose bytes have to mean the same. */
function writtenOf({ type, value, bytes }) {
  const text = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  switch (type) {
    case "json": {
      const written = text();
      if (JSON.stringify(JSON.parse(written)) !== JSON.stringify(value))
        throw new Error(`${written} was parsed as ${value}`);
      return { json: written };
    }
    case "text":
      if (value !== text()) throw new Error(`the bytes of ${JSON.stringify(value)} are ${JSON.stringify(text())}`);
      return { text: value };
    case "int64":
      return { int64: value.toString() };
    case "double": {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value);
      return { double: view.getBigUint64(0).toString(16).padStart(16, "0") };
    }
    default:
      if (value.join() !== bytes.join()) throw new Error("a value and its bytes differ");
      return { binary: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
}

function updateOf(update) {
  const { kind, path, stale, version, sequence, last } = update;
  switch (kind) {
    case "value":
      return { kind, path, stale, value: writtenOf(update), version };
    case "event":
      return { kind, path, stale, value: writtenOf(update), version, sequence };
    case "gap":
      return { kind, path, stale, first: sequence, last };
    default:
      return { kind, path, stale };
  }
}

function itemOf(item) {
  const { kind, path, version, sequence } = item;
  const written = { kind, path, value: writtenOf(item), version };
  return kind === "event" ? { ...written, sequence } : written;
}

function replicaOf(replica) {
  const { path, stale, version } = replica;
  return { path, stale, value: writtenOf(replica), version };
}

function errorOf({ code, reason, fault, retryable, version }) {
  return { error: { code, reason, fault, retryable, ...(version === undefined ? {} : { version }) } };
}

/** A queue of things that happened, and a way to await the next. */
class Happenings {
  #held = [];
  #wake = () => {};

  push(happening) {
    this.#held.push(happening);
    this.#wake();
  }

  async next() {
    while (this.#held.length === 0) await new Promise((resolve) => (this.#wake = resolve));
    return this.#held.shift();
  }
}

/** Performs steps with the SDK, `outpour`; `storeFor` gives the store of an address. */
export class Performer {
  #outpour;
  #storeFor;
  #sessions = new Map();
  #resumptions = new Map();
  #subscriptions = new Map();
  #streams = new Map();
  #calls = new Map();

  constructor(outpour, storeFor) {
    this.#outpour = outpour;
    this.#storeFor = storeFor;
  }

  /** Does a step, and gives its answer. */
  async perform(step) {
    const verb = step.do.replace(/-./g, ([, letter]) => letter.toUpperCase());
    if (!Object.hasOwn(this.#verbs, verb)) return { unknown: step.do };
    try {
      return (await this.#verbs[verb](step)) ?? {};
    } catch (error) {
      if (error instanceof this.#outpour.OutpourError) return errorOf(error);
      return { error: { message: String(error?.stack ?? error) } };
    }
  }

  /** What can be done. */
  #verbs = {
    reset: async () => {
      for (const { subscription } of this.#subscriptions.values()) subscription.close();
      await Promise.all([...this.#sessions.values()].map((session) => session.close(0)));
      for (const held of [this.#sessions, this.#resumptions, this.#subscriptions, this.#streams, this.#calls]) held.clear();
    },

    connect: async ({ session: name, to, wait = true, credentials, store, queue, reconnect }) => {
      const session = this.#outpour.connect(to, {
        backoff: { baseMs: 20, capMs: 200 },
        credentials,
        store: store === undefined ? undefined : this.#storeFor(store),
        queue: queue === undefined ? undefined : { maxCount: queue, whenFull: "error" },
        reconnect,
      });
      const resumptions = new Happenings();
      session.onResumed((resumption) => resumptions.push(resumption));
      this.#sessions.set(name, session);
      this.#resumptions.set(name, resumptions);
      if (wait) await session.ready;
    },

    state: async ({ session: name, is }) => {
      const session = this.#sessions.get(name);
      const connection = await new Promise((resolve) => {
        const stop = session.onConnection((connection) => {
          if (connection.state !== is) return;
          stop();
          resolve(connection);
        });
        if (session.connection.state === is) {
          stop();
          resolve(session.connection);
        }
      });
      return { state: is, reason: connection.error?.reason ?? null };
    },

    resumed: async ({ session }) => {
      const { outcome, missed } = await this.#resumptions.get(session).next();
      return { outcome, missed };
    },

    suspend: ({ session }) => this.#sessions.get(session).suspend(),
    resume: ({ session }) => this.#sessions.get(session).resume(),

    statistics: ({ session }) => {
      const { messagesReceived: _, roundTripMs: __, ...counted } = this.#sessions.get(session).statistics();
      return counted;
    },

    close: async ({ session }) => void (await this.#sessions.get(session).close()),

    closed: async ({ session }) => ({ state: "closed", reason: (await this.#sessions.get(session).closed)?.reason ?? null }),

    subscribe: async ({ session, subscription: name, selector, from, maxRate }) => {
      const abort = new AbortController();
      const options = { signal: abort.signal, from, maxRate };
      const subscription = this.#sessions.get(session).subscribe(selector, options);
      if (subscription.isClosed) throw (await subscription.closed) ?? new Error("it is closed without an error");
      this.#subscriptions.set(name, { subscription, abort, updates: subscription[Symbol.asyncIterator]() });
    },

    next: async ({ subscription, count }) => {
      const updates = [];
      while (updates.length < count) updates.push(updateOf(await this.#update(subscription)));
      return { updates };
    },

    until: async ({ subscription, path, value }) => {
      for (;;) {
        const update = updateOf(await this.#update(subscription));
        if (update.path === path && JSON.stringify(update.value) === JSON.stringify(value)) return update;
      }
    },

    ended: async ({ subscription }) => {
      const updates = [];
      for await (const update of this.#subscriptions.get(subscription).updates) updates.push(updateOf(update));
      return { updates };
    },

    unsubscribe: ({ subscription }) => this.#subscriptions.get(subscription).abort.abort(),

    set: (step) => this.#publish(step, (session, options) => session.set(step.path, this.#value(step), options)),
    append: (step) => this.#publish(step, (session, options) => session.append(step.path, this.#value(step), options)),
    patch: (step) => this.#publish(step, (session, options) => session.patch(step.path, this.#patch(step), options)),
    jsonPatch: (step) => this.#publish(step, (session, options) => session.jsonPatch(step.path, this.#patch(step), options)),
    remove: (step) => this.#publish(step, (session, options) => session.remove(step.path, options)),
    create: (step) => this.#publish(step, (session, options) => session.create(step.path, step.properties, options)),

    openStream: ({ session, stream, path }) =>
      void this.#streams.set(stream, this.#sessions.get(session).updateStream(path)),
    streamSet: (step) => this.#publish(step, (_, options) => this.#streams.get(step.stream).set(this.#value(step), options)),
    closeStream: ({ stream }) => this.#streams.get(stream).close(),

    burst: async ({ session: name, change, path, count }) => {
      const session = this.#sessions.get(name);
      const numbers = Array.from({ length: count }, (_, index) => this.#outpour.Value.int64(index + 1));
      await Promise.all(
        numbers.map((number) => (change === "append" ? session.append(path, number) : session.set(path, number))),
      );
    },

    settled: async ({ call }) => ({ version: (await this.#calls.get(call).verdict).version }),
    cancel: ({ call }) => this.#calls.get(call).abort.abort(),

    get: async ({ session, path }) => {
      const item = await this.#sessions.get(session).get(path);
      return { item: item === undefined ? null : { path: item.path, value: writtenOf(item), version: item.version } };
    },

    fetch: async ({ session, selector }) => {
      const { items } = await this.#sessions.get(session).fetch(selector, { limit: EVERYTHING });
      return { items: items.map(itemOf) };
    },

    fetchEvents: async ({ session, selector, from, limit }) => {
      const { items, more } = await this.#sessions.get(session).fetchEvents(selector, from, { limit });
      return { items: items.map(itemOf), more };
    },

    replica: ({ session, path }) => {
      const replica = this.#sessions.get(session).replica(path);
      return { replica: replica === undefined ? null : replicaOf(replica) };
    },

    replicas: ({ session, selector }) => ({ replicas: this.#sessions.get(session).replicas(selector).map(replicaOf) }),
  };

  #value({ value }) {
    return valueOf(this.#outpour, value);
  }

  #patch({ patch }) {
    return this.#outpour.Value.json(patch);
  }

  async #update(name) {
    const { value, done } = await this.#subscriptions.get(name).updates.next();
    if (done) throw new Error("the subscription is over");
    return value;
  }

  async #publish({ session, call, ifVersion, ifAbsent }, publish) {
    const abort = new AbortController();
    const verdict = publish(this.#sessions.get(session), { ifVersion, ifAbsent, signal: abort.signal });
    if (call === undefined) return { version: (await verdict).version };
    // Whoever asks for it later hears of an error.
    verdict.catch(() => {});
    this.#calls.set(call, { verdict, abort });
    return {};
  }
}
