import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { onFrame } from "./frames";
import { colour, onThemeChange } from "./theme";

/** A line of a chart. */
export interface ChartLine {
  readonly label: string;
  /** Custom properties of the style sheet. */
  readonly stroke: string;
  readonly fill?: string;
  readonly isStepped?: boolean;
}

interface Properties {
  readonly lines: readonly ChartLine[];
  /** Times in seconds, and the values of each line; asked for whenever the chart is drawn. */
  readonly data: () => [number[], ...number[][]];
  /** How many seconds back it goes at the most; a quarter or half of that while there is no more to show. */
  readonly span: number;
  readonly format: (value: number) => string;
  readonly startsAtZero?: boolean;
  /** What is drawn, in words. */
  readonly label: string;
}

/** The chart is drawn no more often, in milliseconds. */
const INTERVAL = 100;

/** A chart whose right edge is now. */
export function Chart({ lines, data, span, format, startsAtZero = false, label }: Properties) {
  const frame = useRef<HTMLDivElement>(null);
  const given = useRef({ data, format });
  given.current = { data, format };

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const make = (): UPlot =>
      new UPlot(
        options(
          element,
          lines,
          () => spanOf(given.current.data()[0][0], span),
          startsAtZero,
          (v) => given.current.format(v),
        ),
        given.current.data(),
        element,
      );
    let plot = make();
    let at = 0;
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight }));
    resize.observe(element);
    const stop = onFrame((now) => {
      if (now - at < INTERVAL) return;
      at = now;
      plot.setData(given.current.data());
    });
    const unfollow = onThemeChange(() => {
      plot.destroy();
      plot = make();
    });
    return () => {
      stop();
      unfollow();
      resize.disconnect();
      plot.destroy();
    };
  }, [lines, span, startsAtZero]);

  return <div class="chart" role="img" aria-label={label} ref={frame} />;
}

function options(
  element: HTMLElement,
  lines: readonly ChartLine[],
  span: () => number,
  startsAtZero: boolean,
  format: (value: number) => string,
): UPlot.Options {
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis: UPlot.Axis = {
    stroke: colour("--muted"),
    font,
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: {
        time: true,
        range: () => {
          const now = Date.now() / 1000;
          return [now - span(), now];
        },
      },
      y: {
        range: (_plot, least, most) => {
          if (least === null || most === null) return [0, 1];
          if (startsAtZero) return [0, most === 0 ? 1 : most * 1.1];
          const margin = least === most ? Math.abs(most) * 0.01 || 1 : (most - least) * 0.12;
          return [least - margin, most + margin];
        },
      },
    },
    axes: [
      {
        ...axis,
        size: 26,
        // Marks that stand still while time goes on.
        splits: (_plot, _axis, from, to) => [3, 2, 1, 0].map((third) => to - (third * (to - from)) / 3),
        values: (plot, times) => times.map((time) => ago((plot.scales["x"]?.max ?? time) - time)),
      },
      { ...axis, size: 64, space: 34, values: (_plot, values) => values.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ label, stroke, fill, isStepped }): UPlot.Series => {
        const series: UPlot.Series = { label, stroke: colour(stroke), width: 2, points: { show: false } };
        if (fill !== undefined) series.fill = colour(fill);
        const stepped = isStepped === true ? UPlot.paths.stepped?.({ align: 1 }) : undefined;
        if (stepped !== undefined) series.paths = stepped;
        return series;
      }),
    ],
  };
}

function spanOf(first: number | undefined, most: number): number {
  const age = first === undefined ? 0 : Date.now() / 1000 - first;
  return [most / 4, most / 2].find((span) => age <= span) ?? most;
}

function ago(past: number): string {
  const seconds = Math.round(past);
  return seconds <= 0
    ? "now"
    : seconds < 60
      ? `−${seconds} s`
      : `−${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
