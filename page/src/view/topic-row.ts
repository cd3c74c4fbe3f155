import { describeChange } from "../model/change";
import { quantity } from "../model/format";
import type { Topic, Topics } from "../model/topics";
import { drawSparkline } from "./sparkline";
import { colour } from "./theme";
import type { Line } from "./virtual-list";

/** A row is drawn no more often than people can read, in milliseconds. */
const READABLE = 90;

/** The colours of sparklines; canvases know no style sheets. */
export interface SparklineColours {
  line: string;
  fill: string;
}

export function sparklineColours(): SparklineColours {
  return { line: colour("--spark"), fill: colour("--spark-fill") };
}

/** What the table has selected. */
export interface Selection {
  readonly selected: Topic | undefined;
  readonly active: number;
  /** About how many characters of a value there is room for. */
  readonly room: number;
}

let rows = 0;

/** A row of the table of topics. What changes often is written straight into its nodes. */
export class TopicRow implements Line<Topic> {
  readonly element = document.createElement("div");
  readonly #folder = document.createElement("span");
  readonly #name = document.createElement("b");
  readonly #preview: HTMLElement;
  readonly #canvas = document.createElement("canvas");
  readonly #number = document.createElement("span");
  readonly #updates = document.createElement("span");
  readonly #topics: Topics;
  readonly #selection: () => Selection;
  readonly #colours: () => SparklineColours;
  #topic: Topic | undefined;
  /** The value that is shown, and the one before, from which it differs. */
  #bytes: Uint8Array | undefined;
  #former: Uint8Array | undefined;
  #shownUpdates = -1;
  #shownAt = 0;
  #shownNumber: number | undefined;
  #turn = false;

  constructor(topics: Topics, selection: () => Selection, colours: () => SparklineColours) {
    this.#topics = topics;
    this.#selection = selection;
    this.#colours = colours;
    this.element.className = "topic-row";
    this.element.role = "row";
    this.element.id = `topic-row-${rows++}`;
    this.#folder.className = "folder";
    this.#updates.className = "updates";
    this.#number.className = "number";
    this.#canvas.ariaHidden = "true";
    this.#preview = cell("preview");
    this.element.append(
      cell("path", this.#folder, this.#name),
      this.#preview,
      cell("trend", this.#canvas),
      cell("now", this.#number),
      cell("count", this.#updates),
    );
  }

  get topic(): Topic | undefined {
    return this.#topic;
  }

  show(topic: Topic, index: number): void {
    if (topic !== this.#topic) {
      this.#topic = topic;
      this.#bytes = undefined;
      this.#former = undefined;
      this.#shownNumber = undefined;
      this.#folder.textContent = topic.path.slice(0, topic.path.length - topic.name.length);
      this.#name.textContent = topic.name;
      this.element.title = topic.path;
    }
    this.#topics.watch(topic);
    this.#shownUpdates = -1;
    this.#shownAt = 0;
    this.move(index);
  }

  move(index: number): void {
    const { selected, active } = this.#selection();
    this.element.ariaRowIndex = String(index + 2);
    this.element.ariaSelected = String(selected === this.#topic);
    this.element.classList.toggle("active", active === index);
    this.element.dataset["index"] = String(index);
  }

  frame(now: number): void {
    const topic = this.#topic;
    if (topic === undefined || topic.updates === this.#shownUpdates || now - this.#shownAt < READABLE) return;
    this.#shownUpdates = topic.updates;
    this.#shownAt = now;
    this.#turn = !this.#turn;
    const bytes = this.#topics.bytes(topic);
    if (bytes !== undefined) this.#showValue(bytes);
    this.#showNumber(topic);
    this.#updates.textContent = topic.updates.toLocaleString("en");
    const { line, fill } = this.#colours();
    drawSparkline(this.#canvas, topic.series, line, fill);
  }

  #showValue(bytes: Uint8Array): void {
    const isNew = this.#bytes !== undefined && !isSame(bytes, this.#bytes);
    if (isNew) this.#former = this.#bytes;
    this.#bytes = bytes;
    const pieces = describeChange(bytes, this.#former, this.#selection().room);
    this.#preview.replaceChildren(
      ...pieces.map(({ text, isChanged }) => {
        if (!isChanged) return text;
        const mark = document.createElement("mark");
        mark.textContent = text;
        if (isNew) mark.className = "lit";
        return mark;
      }),
    );
  }

  #showNumber(topic: Topic): void {
    const { series } = topic;
    const number = series === undefined || series.length === 0 ? undefined : series.value(series.length - 1);
    if (number === undefined) {
      this.#number.textContent = "";
      this.#number.className = "number";
    } else {
      const before = this.#shownNumber;
      if (number !== before) {
        this.#number.textContent = quantity(number);
        const way = before === undefined ? "" : number > before ? "up" : "down";
        this.#number.className = `number ${way} ${this.#turn ? "" : "again"}`;
      }
    }
    this.#shownNumber = number;
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left === right || (left.length === right.length && left.every((byte, index) => byte === right[index]));
}

function cell(name: string, ...content: (Node | string)[]): HTMLElement {
  const element = document.createElement("div");
  element.className = `cell ${name}`;
  element.role = "gridcell";
  element.append(...content);
  return element;
}
