import { useEffect, useRef } from "preact/hooks";
import type { Topic, Topics } from "../model/topics";
import { onFrame } from "./frames";
import { onThemeChange } from "./theme";
import { sparklineColours, TopicRow } from "./topic-row";
import { VirtualList } from "./virtual-list";

/** The width of a character of a value, in pixels. */
const CHARACTER = 7.25;

export type Order = "path" | "updates";

interface Properties {
  readonly topics: Topics;
  /** The topics to show, in order. */
  readonly items: readonly Topic[];
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
  readonly selected: Topic | undefined;
  readonly onSelect: (topic: Topic) => void;
}

/** The live table: rows for the topics in view alone, brought up to date once a frame. */
export function TopicTable({ topics, items, order, onOrder, selected, onSelect }: Properties) {
  const grid = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const preview = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualList<Topic>>(undefined);
  const state = useRef({ selected, active: -1, room: 60, onSelect });
  state.current.selected = selected;
  state.current.onSelect = onSelect;

  useEffect(() => {
    if (scroller.current === null || canvas.current === null) return;
    let colours = sparklineColours();
    const made = new VirtualList<Topic>(scroller.current, canvas.current, rowHeight, () => {
      return new TopicRow(
        topics,
        () => state.current,
        () => colours,
      );
    });
    list.current = made;
    const measure = new ResizeObserver(() => {
      const width = preview.current?.offsetWidth || (scroller.current?.offsetWidth ?? 0) - 110;
      state.current.room = Math.max(12, Math.floor(width / CHARACTER));
      made.refresh();
    });
    measure.observe(scroller.current);
    const stop = onFrame((now) => made.frame(now));
    const unfollow = onThemeChange(() => {
      colours = sparklineColours();
      made.refresh();
    });
    return () => {
      stop();
      unfollow();
      measure.disconnect();
      made.dispose();
    };
  }, [topics]);

  useEffect(() => {
    if (list.current !== undefined) list.current.items = items;
  }, [items]);

  useEffect(() => list.current?.refresh(), [selected]);

  const activate = (index: number): void => {
    const place = Math.max(0, Math.min(items.length - 1, index));
    state.current.active = place;
    list.current?.scrollTo(place);
    list.current?.refresh();
    // The row has its element after the next frame.
    requestAnimationFrame(() => {
      const row = canvas.current?.querySelector(`[data-index="${place}"]:not([hidden])`);
      if (row) grid.current?.setAttribute("aria-activedescendant", row.id);
    });
  };

  const select = (index: number): void => {
    const topic = items[index];
    if (topic !== undefined) onSelect(topic);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    // The headings have keys of their own.
    if (event.target !== event.currentTarget) return;
    const { active } = state.current;
    const page = list.current?.page ?? 10;
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: items.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) activate(to);
    else if (event.key === "Enter" || event.key === " ") select(active);
    else return;
    event.preventDefault();
  };

  const onClick = (event: MouseEvent): void => {
    const row = (event.target as Element).closest<HTMLElement>(".topic-row");
    const index = Number(row?.dataset["index"] ?? -1);
    if (index < 0) return;
    activate(index);
    select(index);
  };

  return (
    <div
      class="topic-table"
      role="grid"
      aria-label="Topics"
      tabIndex={0}
      ref={grid}
      onKeyDown={onKeyDown}
      onFocus={(event) => event.target === event.currentTarget && state.current.active < 0 && activate(0)}
      aria-rowcount={items.length + 1}
      aria-colcount={5}
      aria-describedby="table-keys"
    >
      <span id="table-keys" class="hidden">
        Arrow keys move, Enter shows a topic closely.
      </span>
      <div class="topic-head" role="row" aria-rowindex={1}>
        <Heading name="Topic" column="path" of="path" order={order} onOrder={onOrder} />
        <div class="cell preview" role="columnheader" ref={preview}>
          Value
        </div>
        <div class="cell trend" role="columnheader">
          Trend
        </div>
        <div class="cell now" role="columnheader">
          Now
        </div>
        <Heading name="Updates" column="count" of="updates" order={order} onOrder={onOrder} />
      </div>
      <div class="topic-scroller" role="rowgroup" tabIndex={-1} ref={scroller} onClick={onClick}>
        <div class="topic-canvas" role="presentation" ref={canvas} />
        {items.length === 0 && <p class="empty">No topic fits.</p>}
      </div>
    </div>
  );
}

interface HeadingProperties {
  readonly name: string;
  readonly column: string;
  readonly of: Order;
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
}

function Heading({ name, column, of, order, onOrder }: HeadingProperties) {
  const sorted = order === of ? (of === "path" ? "ascending" : "descending") : "none";
  return (
    <div class={`cell ${column}`} role="columnheader" aria-sort={sorted}>
      <button type="button" class="sort" onClick={() => onOrder(of)} title={`Sort by ${name.toLowerCase()}`}>
        {name}
        <span class="arrow" aria-hidden="true">
          {sorted === "none" ? "" : of === "path" ? "↑" : "↓"}
        </span>
      </button>
    </div>
  );
}

/** The height of a row; on narrow screens rows have two lines. */
function rowHeight(): number {
  return matchMedia("(max-width: 700px)").matches ? 62 : 38;
}
