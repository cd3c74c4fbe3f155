import type { Console, Return } from "../model/console";
import { bytes, duration } from "../model/format";
import { useSource, useTick } from "./frames";

/** Buttons that break the network, and what coming back has cost. */
export function NetworkPanel({ console }: { console: Console }) {
  useSource((listener) => console.onChange(listener));
  const { network } = console;
  const { weather } = network;
  return (
    <section class="card network" aria-labelledby="network-title">
      <h2 id="network-title">Break the network</h2>
      <div class="buttons" role="group" aria-label="The network of this page">
        <button
          type="button"
          class="danger"
          aria-pressed={weather === "cut"}
          onClick={() => (weather === "cut" ? console.restore() : network.cut())}
        >
          {weather === "cut" ? "Restore it" : "Cut it"}
        </button>
        <button
          type="button"
          class="warning"
          aria-pressed={weather === "stalled"}
          disabled={weather === "cut"}
          onClick={() => (weather === "stalled" ? console.restore() : network.stall())}
        >
          {weather === "stalled" ? "Let it flow" : "Stall it"}
        </button>
        <button
          type="button"
          disabled={weather !== "fair" || console.endpoints.length < 2}
          title={
            console.endpoints.length < 2 ? "This gateway names no other of its log" : "Leave this gateway without a word"
          }
          onClick={() => console.goElsewhere()}
        >
          Other gateway
        </button>
      </div>
      <Story console={console} />
    </section>
  );
}

function Story({ console }: { console: Console }) {
  if (console.lostAt !== undefined || console.network.weather !== "fair") return <Away console={console} />;
  if (console.lastReturn !== undefined) return <Resumed last={console.lastReturn} />;
  return (
    <p class="story">
      Nothing on the gateway waits for a client that is gone. Cut the network, wait as long as you like, restore it: only
      what changed comes down, from this gateway or any other of its log.
    </p>
  );
}

function Away({ console }: { console: Console }) {
  const now = useTick(100);
  const { weather } = console.network;
  const since = console.lostAt === undefined ? undefined : duration(Math.max(0, now - console.lostAt));
  return (
    <p class="story away">
      {weather === "stalled" && since === undefined ? (
        <>Nothing moves, and nobody has been told. The SDK will notice by itself, and try again.</>
      ) : (
        <>
          Away for <b class="figure">{since ?? "0 ms"}</b>. The values stay readable; the publishers go on.
        </>
      )}
    </p>
  );
}

const OUTCOMES: Record<Return["outcome"], string> = {
  complete: "complete",
  gaps: "with gaps",
  afresh: "afresh",
};

function Resumed({ last }: { last: Return }) {
  return (
    <div class="story resumed">
      <p class="headline">
        Last resume <span class={`badge ${last.outcome}`}>{OUTCOMES[last.outcome]}</span>
        {last.elsewhere && <span class="badge elsewhere">another gateway</span>}
      </p>
      <dl class="figures" id="last-resume">
        <div>
          <dt>down</dt>
          <dd>{bytes(last.down)}</dd>
        </div>
        <div>
          <dt>up</dt>
          <dd>{bytes(last.up)}</dd>
        </div>
        <div>
          <dt>away</dt>
          <dd>{duration(last.awayMs)}</dd>
        </div>
        <div>
          <dt>all values</dt>
          <dd class="instead">{bytes(last.heldBytes)}</dd>
        </div>
      </dl>
    </div>
  );
}
