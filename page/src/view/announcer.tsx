import { useEffect, useRef, useState } from "preact/hooks";
import type { Console } from "../model/console";
import { bytes, duration } from "../model/format";

/** News is told after it has been still for so long, so that a flapping line makes no flood of words. */
const QUIET_MS = 700;

/** Tells people who don't see the page what became of the connection; what topics do is never read out by itself. */
export function Announcer({ console }: { console: Console }) {
  const [text, setText] = useState("");
  const told = useRef("");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = console.onChange(() => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const news = sentence(console);
        if (news !== told.current) setText(news);
        told.current = news;
      }, QUIET_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [console]);
  return (
    <p class="hidden" role="status" aria-live="polite">
      {text}
    </p>
  );
}

function sentence(console: Console): string {
  const { connection, lastReturn } = console;
  switch (connection.state) {
    case "connected":
      if (lastReturn === undefined) return "Connected.";
      return `Resumed ${lastReturn.outcome}: ${bytes(lastReturn.down)} down, ${bytes(lastReturn.up)} up, away ${duration(lastReturn.awayMs)}.`;
    case "closed":
      return "The session has ended.";
    case "suspended":
      return "Suspended.";
    default:
      return console.lastReturn === undefined && console.topics.size === 0
        ? "Connecting."
        : "Connection lost. Trying again.";
  }
}
