import { describe, expect, it } from "vitest";
import { describeChange } from "../src/model/change";
import { bytes, duration, quantity } from "../src/model/format";
import { mainField, numberAt, numericFields } from "../src/model/numbers";
import { matcher } from "../src/model/search";
import { Series } from "../src/model/series";
import { Topic } from "../src/model/topics";
import { growTree, treeLines } from "../src/model/tree";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is shown, with what changed in brackets. */
function shown(value: string, old: string | undefined, room = 100): string {
  const pieces = describeChange(encode(value), old === undefined ? undefined : encode(old), room);
  return pieces.map(({ text, isChanged }) => (isChanged ? `[${text}]` : text)).join("");
}

describe("what changed between two values", () => {
  it("is marked word by word", () => {
    expect(shown('{"bid":1.0842,"ask":2,"n":11}', '{"bid":1.0841,"ask":2,"n":9}')).toBe('{"bid":[1.0842],"ask":2,"n":[11]}');
  });

  it("is marked as a whole if there are more words or fewer", () => {
    expect(shown("one two three", "one three")).toBe("one t[wo t]hree");
    expect(shown("a b", "a x b")).toBe("a b");
  });

  it("comes into view however far in it is", () => {
    const text = (digit: string): string => `${"x".repeat(5000)}${digit}${"y".repeat(5000)}`;
    expect(shown(text("2"), text("1"), 40)).toBe(`…${"x".repeat(12)}[2]${"y".repeat(27)}`);
  });

  it("takes no character apart", () => {
    // ä and ö differ in their second byte alone.
    const long = "é".repeat(3000);
    expect(shown(`${long}aöb`, `${long}aäb`, 20)).toMatch(/^…é{2}a\[ö\]b$/);
    expect(shown("é".repeat(50), undefined, 7)).toBe("ééé");
    const words = "слово ".repeat(100);
    expect(shown(`${words}2`, `${words}1`, 40)).toMatch(/^…[а-я ]+\[2\]$/);
  });

  it("is nothing in a value that is the same, and unknown where there was none", () => {
    expect(shown("the same", "the same", 3)).toBe("the");
    expect(shown("new", undefined)).toBe("new");
    expect(shown("new", "")).toBe("[new]");
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
    expect(numericFields({ asks: Array.from({ length: 9 }, () => ["1.5", "2"]) })).toEqual(["asks.0.0", "asks.0.1"]);
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
  expect(series.columns()).toEqual([
    [3, 4, 5],
    [30, 40, 50],
  ]);
  expect(series.value(series.length - 1)).toBe(50);
  series.clear();
  expect(series.columns()).toEqual([[], []]);
});

it("amounts are written for people", () => {
  expect([0, 999, 1000, 18_234, 99_960, 1_234_567].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "18.2 kB",
    "100 kB",
    "1.2 MB",
  ]);
  expect([3, 999, 1500, 59_949, 61_000].map(duration)).toEqual(["3 ms", "999 ms", "1.5 s", "59.9 s", "1 min 1 s"]);
  expect([42.271, 65_000.1234, 0.00001305, 1200].map(quantity)).toEqual(["42.271", "65,000.12", "0.00001305", "1,200"]);
});
