import { Hint } from "./numbers.js";

/**
 * Passes on what the browser says of networks and of the page's life. These are hints: a session looks closer at them,
 * and hangs up only before the page is frozen or put away. Gives a function that stops it.
 * @internal
 */
export function watchPage(signal: (hint: number) => void, putAway: () => void): () => void {
  if (typeof globalThis.addEventListener !== "function") return () => {};
  const stops: (() => void)[] = [];
  const on = (target: EventTarget, type: string, listener: (event: Event) => void): void => {
    target.addEventListener(type, listener);
    stops.push(() => target.removeEventListener(type, listener));
  };
  on(globalThis, "online", () => signal(Hint.networkUp));
  on(globalThis, "offline", () => signal(Hint.networkDown));
  const suspend = (): void => {
    putAway();
    signal(Hint.suspending);
  };
  const resume = (): void => signal(Hint.resumed);
  if (typeof document !== "undefined") {
    // An open WebSocket keeps a page out of the back/forward cache, or is cut there without a word.
    on(globalThis, "pagehide", suspend);
    on(globalThis, "pageshow", (event) => {
      if ((event as PageTransitionEvent).persisted) resume();
    });
    on(document, "freeze", suspend);
    on(document, "resume", resume);
    on(document, "visibilitychange", () => {
      if (document.visibilityState === "visible") resume();
      else putAway();
    });
  }
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}
