import type { Replica, Session, Update } from "outpour";
import { mainField, numberAt, SIZE, type Field } from "./numbers";
import { Series } from "./series";

/** How many samples a sparkline has. */
const SAMPLES = 64;
/** How many samples the chart of one topic has. */
const DETAIL_SAMPLES = 1_200;
/** As long as there are no more topics, each is sampled from its first update on; of more, those that were looked at. */
const SAMPLED_TOPICS = 1_000;

/** What the page knows of a topic beside its value, which the session holds. */
export class Topic {
  readonly path: string;
  /** The last segment of the path. */
  readonly name: string;
  updates = 0;
  changedAt = 0;
  kind: "value" | "event" = "value";
  /** The last event of an event topic. */
  event: Update | undefined;
  /** The number that is drawn; undefined until a value was looked at. */
  field: Field | undefined;
  series: Series | undefined;
  /** More samples, while the topic is the one that is looked at closely. */
  detail: Series | undefined;
  /** Whether samples are taken although there are many topics. */
  isWatched = false;

  constructor(path: string) {
    this.path = path;
    this.name = path.slice(path.lastIndexOf("/") + 1);
  }

  /** Draws another number from now on. */
  chooseField(field: Field): void {
    if (field === this.field) return;
    this.field = field;
    this.series?.clear();
    this.detail?.clear();
  }

  /** Keeps more samples from now on, beginning with those there are. */
  keepDetail(): void {
    const { series } = this;
    const detail = new Series(DETAIL_SAMPLES);
    for (let index = 0; index < (series?.length ?? 0); index++) {
      detail.push(series?.time(index) ?? 0, series?.value(index) ?? 0);
    }
    this.detail = detail;
  }

  sample({ value, bytes }: Pick<Update, "value" | "bytes">, time: number): void {
    this.field ??= mainField(value) ?? SIZE;
    const number = this.field === SIZE ? bytes.length : numberAt(value, this.field);
    if (number === undefined) return;
    this.series ??= new Series(SAMPLES);
    this.series.push(time, number);
    this.detail?.push(time, number);
  }
}

/**
 * Every topic that the session follows. Taking an update in costs a look-up and a count: values stay where the session
 * has them, and whoever shows one asks for it when it is drawn.
 */
export class Topics {
  readonly #session: Session;
  readonly #byPath = new Map<string, Topic>();
  /** Grows whenever a topic comes or goes. */
  revision = 0;
  /** Updates taken in. */
  updates = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get size(): number {
    return this.#byPath.size;
  }

  all(): IterableIterator<Topic> {
    return this.#byPath.values();
  }

  get(path: string): Topic | undefined {
    return this.#byPath.get(path);
  }

  /** The current value, or the last event. */
  current(topic: Topic): Replica | Update | undefined {
    return topic.kind === "event" ? topic.event : this.#session.replica(topic.path);
  }

  value(topic: Topic): unknown {
    return this.current(topic)?.value;
  }

  bytes(topic: Topic): Uint8Array | undefined {
    return this.current(topic)?.bytes;
  }

  /** Has samples taken of a topic that somebody looks at, the first of its value now. */
  watch(topic: Topic): void {
    if (topic.isWatched) return;
    topic.isWatched = true;
    const current = this.current(topic);
    if (topic.series === undefined && current !== undefined) topic.sample(current, performance.now());
  }

  take(batch: readonly Update[]): void {
    const now = performance.now();
    for (const update of batch) this.#take(update, now);
  }

  #take(update: Update, now: number): void {
    let topic = this.#byPath.get(update.path);
    if (update.kind === "removed") {
      if (topic !== undefined && this.#byPath.delete(update.path)) this.revision++;
      return;
    }
    if (update.kind !== "value" && update.kind !== "event") return;
    if (topic === undefined) {
      topic = new Topic(update.path);
      this.#byPath.set(update.path, topic);
      this.revision++;
    }
    this.updates++;
    topic.updates++;
    topic.changedAt = now;
    topic.kind = update.kind;
    if (update.kind === "event") topic.event = update;
    if (topic.isWatched || this.#byPath.size <= SAMPLED_TOPICS) topic.sample(update, now);
  }
}
