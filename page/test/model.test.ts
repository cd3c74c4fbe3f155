import { describe, expect, it } from "vitest";
import { describeChange } from "../src/model/change";
import { bytes, duration, quantity } from "../src/model/format";
import { mainField, numberAt, numericFields } from "../src/model/numbers";
import { matcher } from "../src/model/search";
import { Series } from "../src/model/series";
import { Topic } from "../src/model/topics";
import { growTree, treeLines } from "../src/model/tree";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what changed between two values", () => {
  it("is marked where it is", () => {
    const change = describeChange(encode('{"bid":1.0842,"ask":2}'), encode('{"bid":1.0841,"ask":2}'), 100);
    expect(change).toEqual({ before: '{"bid":1.084', changed: "2", after: ',"ask":2}' });
  });

  it("comes into view however far in it is", () => {
    const text = (digit: string): Uint8Array => encode(`${"x".repeat(5000)}${digit}${"y".repeat(5000)}`);
    const { before, changed, after } = describeChange(text("2"), text("1"), 40);
    expect(changed).toBe("2");
    expect(before).toBe(`…${"x".repeat(12)}`);
    expect(before.length + changed.length + after.length).toBeLessThanOrEqual(42);
  });

  it("takes no character apart", () => {
    // ä and ö differ in their second byte alone.
    const change = describeChange(encode("aöb"), encode("aäb"), 20);
    expect(change).toEqual({ before: "a", changed: "ö", after: "b" });
    expect(describeChange(encode("é".repeat(50)), undefined, 7).before).toBe("ééé");
  });

  it("is nothing in a value that is the same, and all of it where there was none", () => {
    expect(describeChange(encode("same"), encode("same"), 20)).toEqual({ before: "same", changed: "", after: "" });
    expect(describeChange(encode("new"), encode(""), 20)).toEqual({ before: "", changed: "new", after: "" });
  });

  it("handles what was put in or taken out", () => {
    expect(describeChange(encode("aabb"), encode("aab"), 20)).toEqual({ before: "aab", changed: "b", after: "" });
    expect(describeChange(encode("ab"), encode("axxb"), 20)).toEqual({ before: "a", changed: "", after: "b" });
  });
});

describe("numbers in values", () => {
  const quote = { s: "BTCUSDT", u: 17, b: "42.27", inner: { list: [1, 2], deep: { n: -1e3 } } };

  it("are found by the way to them, also as text", () => {
    expect(numericFields(quote)).toEqual(["u", "b", "inner.list.0", "inner.list.1", "inner.deep.n"]);
    expect(numberAt(quote, "inner.deep.n")).toBe(-1000);
    expect(numberAt(quote, "b")).toBe(42.27);
    expect(numberAt(quote, "s")).toBeUndefined();
    expect(numberAt(quote, "b.c")).toBeUndefined();
    expect(numberAt(7, "")).toBe(7);
  });

  it("are drawn by what they tell", () => {
    expect(mainField(quote)).toBe("b");
    expect(mainField({ timestamp: 5, position: { latitude: 30.2, speed: 3 } })).toBe("position.latitude");
    expect(mainField({ ts: 5, level: 3 })).toBe("level");
    expect(mainField({ ts: 5 })).toBe("ts");
    expect(mainField(12)).toBe("");
    expect(mainField("some text")).toBeUndefined();
    expect(mainField(null)).toBeUndefined();
  });

  it("are not sought for ever", () => {
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]));
    expect(numericFields(wide)).toHaveLength(24);
    expect(numericFields({ long: Array.from({ length: 9 }, () => 1) })).toEqual([]);
  });
});

describe("search", () => {
  const fits = (search: string, path: string): boolean | undefined => matcher(search)?.(path);

  it("takes words in any order and case", () => {
    expect(matcher("  ")).toBeUndefined();
    expect(fits("EUR pri", "prices/eurusd")).toBe(true);
    expect(fits("eur usd2", "prices/eurusd")).toBe(false);
  });

  it("takes selectors", () => {
    for (const [selector, path, expected] of [
      ["prices/*", "prices/eurusd", true],
      ["prices/*", "prices/a/b", false],
      ["prices/**", "prices", true],
      ["prices/**", "prices/a/b", true],
      ["prices/**", "pricesx/a", false],
      ["**", "a/b", true],
      ["**/b", "b", true],
      ["**/b", "a/x/b", true],
      ["a/**/c", "a/c", true],
      ["a/**/c", "a/b/b/c", true],
      ["a.b/*", "axb/c", false],
      ["prices/eur*", "prices/eurusd", true],
    ] as const) {
      expect(fits(selector, path), `${selector} ${path}`).toBe(expected);
    }
  });
});

describe("the tree", () => {
  const tree = growTree(["a/x/1", "a/x/10", "a/x/9", "b", "a"].map((path) => new Topic(path)));

  it("counts what lies below", () => {
    expect(tree.count).toBe(5);
    expect(tree.children.get("a")?.count).toBe(4);
    expect(tree.children.get("a")?.topic?.path).toBe("a");
  });

  it("is shown as far as it is expanded, numbers in their order", () => {
    expect(treeLines(tree, () => false).map((line) => line.branch.path)).toEqual(["a", "b"]);
    const lines = treeLines(tree, () => true);
    expect(lines.map((line) => line.branch.path)).toEqual(["a", "a/x", "a/x/1", "a/x/9", "a/x/10", "b"]);
    expect(lines[3]).toMatchObject({ level: 3, place: 2, siblings: 3, isExpanded: false });
  });
});

it("a series keeps the last samples", () => {
  const series = new Series(3);
  for (let n = 1; n <= 5; n++) series.push(n, n * 10);
  expect(series.columns()).toEqual([[3, 4, 5], [30, 40, 50]]);
  expect(series.value(series.length - 1)).toBe(50);
  series.clear();
  expect(series.columns()).toEqual([[], []]);
});

it("amounts are written for people", () => {
  expect([0, 999, 1000, 18_234, 99_960, 1_234_567].map(bytes)).toEqual(["0 B", "999 B", "1.0 kB", "18.2 kB", "100 kB", "1.2 MB"]);
  expect([3, 999, 1500, 59_949, 61_000].map(duration)).toEqual(["3 ms", "999 ms", "1.5 s", "59.9 s", "1 min 1 s"]);
  expect([42.271, 65_000.1234, 0.00001305, 1200].map(quantity)).toEqual(["42.271", "65,000.12", "0.00001305", "1,200"]);
});
