import type { Replica, Session, Update } from "outpour";
import { describe, expect, it } from "vitest";
import { Topics } from "../src/model/topics";

/** A session that holds what it is told. */
class Held {
  readonly replicas = new Map<string, Replica>();
  /** How many values were looked at. */
  parsed = 0;

  update(path: string, value: unknown, kind: "value" | "event" | "removed" = "value"): Update {
    const held = this;
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const update = {
      path,
      kind,
      bytes,
      get value() {
        held.parsed++;
        return value;
      },
    } as unknown as Update;
    if (kind === "value") this.replicas.set(path, update as unknown as Replica);
    return update;
  }

  get session(): Session {
    return { replica: (path: string) => this.replicas.get(path) } as unknown as Session;
  }
}

describe("topics", () => {
  it("come, change and go", () => {
    const held = new Held();
    const topics = new Topics(held.session);
    topics.take([held.update("a/b", { bid: 1 }), held.update("a/c", { bid: 5 })]);
    const revision = topics.revision;
    topics.take([held.update("a/b", { bid: 2 })]);
    const topic = topics.get("a/b");
    expect(topic).toMatchObject({ name: "b", updates: 2, kind: "value", field: "bid" });
    expect(topic?.series?.columns()[1]).toEqual([1, 2]);
    expect(topics.revision).toBe(revision);
    topics.take([held.update("a/b", undefined, "removed")]);
    expect([topics.size, topics.get("a/b")]).toEqual([1, undefined]);
    expect(topics.revision).toBe(revision + 1);
  });

  it("show the last event of an event topic", () => {
    const held = new Held();
    const topics = new Topics(held.session);
    topics.take([held.update("e", 1, "event"), held.update("e", 2, "event")]);
    const topic = topics.get("e");
    expect(topic && topics.value(topic)).toBe(2);
  });

  it("are not looked into if they are many and nobody watches", () => {
    const held = new Held();
    const topics = new Topics(held.session);
    const all = (value: number): Update[] => Array.from({ length: 3_000 }, (_, index) => held.update(`t/${index}`, value));
    topics.take(all(1));
    held.parsed = 0;
    topics.take(all(2));
    expect(held.parsed).toBe(0);
    const watched = topics.get("t/2500");
    if (watched === undefined) throw new Error("it is there");
    topics.watch(watched);
    topics.take(all(3));
    expect(watched.series?.columns()[1]).toEqual([2, 3]);
    expect(held.parsed).toBe(2);
  });
});
