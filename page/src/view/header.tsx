import { useState } from "preact/hooks";
import type { Console } from "../model/console";
import { roundTrip } from "../model/format";
import { useSource, useTick } from "./frames";
import { chooseTheme, currentTheme, onThemeChange } from "./theme";

export function Header({ console }: { console: Console }) {
  return (
    <header class="bar">
      <div class="brand">
        <Drop />
        <h1>Outpour</h1>
        <span class="version">{console.facts.version}</span>
      </div>
      <Connection console={console} />
      <ThemeSwitch />
    </header>
  );
}

const WORDS = {
  connecting: "Connecting",
  connected: "Live",
  disconnected: "Offline",
  suspended: "Suspended",
  closed: "Closed",
} as const;

function Connection({ console }: { console: Console }) {
  useSource((listener) => console.onChange(listener));
  useTick(1_000);
  const { connection, network } = console;
  const rtt = console.session.statistics().roundTripMs;
  const isStalled = network.weather === "stalled" && connection.state === "connected";
  const at = connection.state === "connected" ? network.current?.url : undefined;
  return (
    <p class={`connection ${isStalled ? "stalled" : connection.state}`} title={console.endpoints.join("\n")}>
      <span class="lamp" aria-hidden="true" />
      <b>{isStalled ? "Stalled" : WORDS[connection.state]}</b>
      {at !== undefined && <span class="gateway">{at.replace(/^wss?:\/\//, "").replace(/\/$/, "")}</span>}
      {at !== undefined && rtt !== undefined && (
        <span class="rtt" title="Round-trip time">
          {roundTrip(rtt)}
        </span>
      )}
    </p>
  );
}

function ThemeSwitch() {
  useSource(onThemeChange);
  const [theme, setTheme] = useState(currentTheme());
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      class="icon theme"
      aria-label={`Use ${other} colours`}
      title={`Use ${other} colours`}
      onClick={() => {
        chooseTheme(other);
        setTheme(other);
      }}
    >
      <svg
        viewBox="0 0 24 24"
        width="18"
        height="18"
        fill="none"
        stroke="currentColor"
        stroke-width="2"
        stroke-linecap="round"
        aria-hidden="true"
      >
        {theme === "dark" ? (
          <>
            <circle cx="12" cy="12" r="4.500" />
            <path d="M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M5 19l1.400-1.400M17.600 6.400 19 5" />
          </>
        ) : (
          <path d="M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500Z" stroke-linejoin="round" />
        )}
      </svg>
    </button>
  );
}

function Drop() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <defs>
        <linearGradient id="drop" x1="0" y1="0" x2="1" y2="1">
          <stop stop-color="#22d3ee" />
          <stop offset="1" stop-color="#2563eb" />
        </linearGradient>
      </defs>
      <path
        d="M16 2c5 6.600 9.500 11.300 9.500 17.200A9.500 9.800 0 0 1 6.500 19.200C6.500 13.300 11 8.600 16 2Z"
        fill="url(#drop)"
      />
      <path
        d="M10.500 18.500c2-2 3.700-2 5.500 0s3.500 2 5.500 0"
        fill="none"
        stroke="#fff"
        stroke-width="2"
        stroke-linecap="round"
      />
    </svg>
  );
}
