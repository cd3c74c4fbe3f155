import { useEffect } from "preact/hooks";
import type { Console } from "../model/console";
import { bytes, count } from "../model/format";
import { Chart, type ChartLine } from "./chart";
import { onFrame, useTick } from "./frames";

const LINES: readonly ChartLine[] = [
  { label: "full values", stroke: "--full", fill: "--full-fill" },
  { label: "received", stroke: "--sent", fill: "--sent-fill" },
];

/** How often the counts are looked at, in milliseconds. */
const INTERVAL = 250;
const PING_INTERVAL = 2_000;

/** What crosses the network, beside what full values would take. */
export function TrafficPanel({ console }: { console: Console }) {
  const { traffic, session } = console;
  useEffect(() => {
    let at = 0;
    return onFrame((now) => {
      if (now - at < INTERVAL) return;
      at = now;
      traffic.note(session.statistics(), now);
    });
  }, [traffic]);
  useEffect(() => {
    // The round trip is measured now and then by itself, and more often while somebody looks.
    const timer = setInterval(() => {
      if (!document.hidden && console.connection.state === "connected") session.ping();
    }, PING_INTERVAL);
    return () => clearInterval(timer);
  }, [session]);
  useTick(500);
  const { received, full, updates } = traffic.rates;
  const counted = session.statistics();
  const saved = counted.fullValueBytes > 0 ? 1 - counted.bytesReceived / counted.fullValueBytes : 0;
  const data = (): [number[], number[], number[]] => {
    const [times, inFull] = traffic.full.columns();
    return [times, inFull, traffic.received.columns()[1]];
  };
  return (
    <section class="card traffic" aria-labelledby="traffic-title">
      <header>
        <h2 id="traffic-title">On the wire</h2>
        <p class="legend">
          <span class="key sent">received</span>
          <span class="key full">as full values</span>
        </p>
      </header>
      <dl class="figures">
        <div class="lead">
          <dt>received</dt>
          <dd>{bytes(received)}/s</dd>
        </div>
        <div>
          <dt>as full values</dt>
          <dd>{bytes(full)}/s</dd>
        </div>
        <div>
          <dt>saved so far</dt>
          <dd>{saved > 0 ? `${(saved * 100).toFixed(1)} %` : "–"}</dd>
        </div>
        <div>
          <dt>updates</dt>
          <dd>{count(updates)}/s</dd>
        </div>
      </dl>
      <Chart
        lines={LINES}
        data={data}
        span={120}
        format={(value) => bytes(value)}
        startsAtZero
        label={`Bytes a second over the last two minutes: ${bytes(received)} received where full values are ${bytes(full)}`}
      />
    </section>
  );
}
