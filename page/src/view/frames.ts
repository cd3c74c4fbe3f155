import { useEffect, useReducer, useState } from "preact/hooks";

/** What is done in a frame: given its time, in milliseconds. */
type FrameTask = (now: number) => void;

const tasks = new Set<FrameTask>();
let isAsked = false;

/** Runs a task in every frame until the function returned is called. Nothing runs while the page is hidden. */
export function onFrame(task: FrameTask): () => void {
  tasks.add(task);
  ask();
  return () => tasks.delete(task);
}

function ask(): void {
  if (isAsked || tasks.size === 0) return;
  isAsked = true;
  requestAnimationFrame((now) => {
    isAsked = false;
    for (const task of tasks) {
      // One that fails doesn't stop the others.
      try {
        task(now);
      } catch (error) {
        reportError(error);
      }
    }
    ask();
  });
}

/** Renders a component anew, at most every `interval` milliseconds, if `revision` has another value than before. */
export function useRevision(revision: () => unknown, interval: number): void {
  const [, refresh] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let last: unknown = revision();
    let at = 0;
    return onFrame((now) => {
      if (now - at < interval) return;
      const current = revision();
      at = now;
      if (current !== last) {
        last = current;
        refresh(undefined);
      }
    });
    // `revision` is not among these: it looks at what outlives the component's renderings.
  }, [interval]);
}

/** Renders a component anew every `interval` milliseconds. */
export function useTick(interval: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    let at = 0;
    return onFrame((time) => {
      if (time - at < interval) return;
      at = time;
      setNow(performance.now());
    });
  }, [interval]);
  return now;
}

/** Renders a component anew whenever a source calls back. */
export function useSource(subscribe: (listener: () => void) => () => void): void {
  const [, refresh] = useReducer((count: number) => count + 1, 0);
  useEffect(() => subscribe(() => refresh(undefined)), []);
}

/** Whether somebody asked for less motion. */
export function prefersLessMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
