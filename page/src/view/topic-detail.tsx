import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Console } from "../model/console";
import { bytes, count, duration, quantity } from "../model/format";
import { numericFields, SIZE } from "../model/numbers";
import type { Topic } from "../model/topics";
import { Chart, type ChartLine } from "./chart";
import { useTick } from "./frames";

const LINES: readonly ChartLine[] = [{ label: "value", stroke: "--accent", fill: "--accent-fill", isStepped: true }];

/** A longer value is shown as far as this, in characters. */
const MAX_TEXT = 6_000;

interface Properties {
  readonly console: Console;
  readonly topic: Topic;
  readonly onClose: () => void;
}

/** One topic closely: its chart, and its value as it is. */
export function TopicDetail({ console, topic, onClose }: Properties) {
  const { topics } = console;
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    topics.watch(topic);
    topic.keepDetail();
    title.current?.focus({ preventScroll: true });
    return () => {
      topic.detail = undefined;
    };
  }, [topic]);
  const now = useTick(200);
  const current = topics.current(topic);
  const value = current?.value;
  const size = current?.bytes.length ?? 0;
  const fields = useMemo(() => [...numericFields(value), SIZE], [topic]);
  const series = topic.detail ?? topic.series;
  const last = series !== undefined && series.length > 0 ? series.value(series.length - 1) : undefined;
  const data = (): [number[], number[]] => {
    const drawn = topic.detail ?? topic.series;
    if (drawn === undefined || drawn.length === 0) return [[], []];
    const [times, values] = drawn.columns();
    const seconds = times.map((time) => (performance.timeOrigin + time) / 1000);
    // The last value holds until now.
    return [
      [...seconds, Date.now() / 1000],
      [...values, values[values.length - 1] ?? 0],
    ];
  };
  return (
    <section
      class="card detail"
      aria-labelledby="detail-title"
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <header>
        <h2 id="detail-title" tabIndex={-1} ref={title}>
          <span class="folder">{topic.path.slice(0, topic.path.length - topic.name.length)}</span>
          {topic.name}
        </h2>
        <button type="button" class="icon" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {topic.field !== undefined && (
        <>
          <div class="chart-head">
            <label>
              <span class="hidden">Number to draw</span>
              <select value={topic.field} onChange={(event) => topic.chooseField(event.currentTarget.value)}>
                {fields.map((field) => (
                  <option value={field}>{nameOf(field)}</option>
                ))}
              </select>
            </label>
            <span class="big">{last === undefined ? "–" : quantity(last)}</span>
          </div>
          <Chart
            lines={LINES}
            data={data}
            span={60}
            format={quantity}
            label={`${nameOf(topic.field)} of ${topic.path} over the last minute`}
          />
        </>
      )}
      <dl class="figures">
        <div>
          <dt>{topic.kind === "event" ? "last event" : "value"}</dt>
          <dd>{bytes(size)}</dd>
        </div>
        <div>
          <dt>updates</dt>
          <dd>{count(topic.updates)}</dd>
        </div>
        <div>
          <dt>changed</dt>
          <dd>{duration(Math.max(0, now - topic.changedAt))} ago</dd>
        </div>
        <div>
          <dt>version</dt>
          <dd>{current?.version ?? "–"}</dd>
        </div>
      </dl>
      <Value key={topic.path} value={value} />
    </section>
  );
}

function nameOf(field: string): string {
  return field === "" ? "value" : field === SIZE ? "size in bytes" : field;
}

/** The value line by line; lines that differ from before are lit. */
function Value({ value }: { value: unknown }) {
  const shown = useRef<readonly string[]>([]);
  const turn = useRef(0);
  const lines = useMemo(() => written(value).split("\n"), [value]);
  const before = shown.current;
  if (lines !== before) turn.current++;
  shown.current = lines;
  const changed = (line: string, index: number): boolean => before.length > 0 && before !== lines && before[index] !== line;
  return (
    <pre class="value" tabIndex={0} aria-label="Value">
      {lines.map((line, index) => (
        <code key={index} class={changed(line, index) ? `lit ${turn.current % 2 === 0 ? "again" : ""}` : undefined}>
          {line}
          {"\n"}
        </code>
      ))}
    </pre>
  );
}

function written(value: unknown): string {
  if (value === undefined) return "";
  const text = value instanceof Uint8Array ? hex(value) : typeof value === "string" ? value : indented(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\n…` : text;
}

/** JSON as people write it: a line for each field, but short lists on one. */
function indented(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value, null, 2);
  return text.replace(/\[\s+([^[\]{}]{1,80}?)\s+\]/g, (_, inner: string) => `[${inner.replace(/\s*\n\s*/g, " ")}]`);
}

function hex(binary: Uint8Array): string {
  return Array.from(binary.subarray(0, 512), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
