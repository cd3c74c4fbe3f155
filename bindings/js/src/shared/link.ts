import type { SharedWorkerSource } from "../options.js";
import { VERSION, type Hello, type Report, type Request, type Welcome } from "./messages.js";

/** How long a worker may take to answer, in milliseconds, until the tab goes on without it. */
const ANSWER_MS = 15_000;

/** What connects a tab with the worker. */
export interface Link {
  /** Resolves when the worker has died. */
  readonly gone: Promise<void>;
  /** What there is to say of each code of errors. */
  readonly codes: ReadonlyMap<number, string>;
  post(request: Request): void;
  listen(listener: (report: Report) => void): void;
  /** Ends what the worker does for the tab. */
  leave(): void;
}

/** Introduces a tab to the worker. Throws what keeps it from there. */
export async function openLink(source: SharedWorkerSource, hello: Omit<Hello, "version" | "lock">): Promise<Link> {
  const { locks } = navigator;
  const watching = new AbortController();
  // The worker waits for this lock: it gets it when the tab is no more, whatever became of it.
  const lock = `outpour:tab:${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  let release = (): void => {};
  await new Promise<void>((held, failed) => {
    const life = new Promise<void>((end) => (release = end));
    locks.request(lock, () => (held(), life)).catch(failed);
  });
  // Nothing is awaited between its start and its answer: it may fail at once.
  let worker: SharedWorker | undefined;
  const leave = (): void => {
    watching.abort();
    worker?.port.postMessage(["leave"] satisfies Request);
    worker?.port.close();
    release();
  };
  let welcome: Welcome;
  try {
    worker = typeof source === "function" ? source() : new SharedWorker(source, { type: "module", name: "outpour" });
    welcome = await answerOf(worker, { ...hello, version: VERSION, lock });
    if (welcome.kind === "refused") throw new Error(welcome.problem);
  } catch (error) {
    leave();
    throw error;
  }
  const { port } = worker;
  const { codes, lock: life } = welcome;
  // A worker says nothing when it dies, but what it holds is free then.
  const gone = new Promise<void>((resolve) => {
    locks.request(life, { mode: "shared", signal: watching.signal }, () => resolve()).catch(() => {});
  });
  return {
    gone,
    codes,
    post: (request) => port.postMessage(request),
    listen: (listener) => (port.onmessage = ({ data }: MessageEvent<Report>) => listener(data)),
    leave,
  };
}

function answerOf(worker: SharedWorker, hello: Hello): Promise<Welcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The shared worker does not answer.")), ANSWER_MS);
    const settle = (): void => {
      clearTimeout(timer);
      worker.onerror = null;
    };
    worker.onerror = (event) => {
      settle();
      event.preventDefault();
      reject(new Error(event.message || "The shared worker could not be started."));
    };
    worker.port.onmessage = ({ data }: MessageEvent<Welcome>) => {
      settle();
      resolve(data);
    };
    worker.port.postMessage(["hello", hello] satisfies Request);
  });
}
