import type { Engine, EngineSettings } from "../engine.js";
import type { learnCodes } from "../errors.js";
import type { ConnectOptions } from "../options.js";
import type { readUpdates, Update } from "../updates.js";
import { openLink } from "./link.js";
import { RemoteEngine } from "./remote.js";

/** What is handed over rather than imported, so that bundlers leave what every page loads in one piece. */
export interface Library {
  readonly learnCodes: typeof learnCodes;
  readonly readUpdates: typeof readUpdates;
  readonly Update: typeof Update;
}

/** The engine that tabs share; `undefined` where there can't be one, so that the tab needs one of its own. */
export async function shareEngine(
  settings: EngineSettings,
  options: ConnectOptions,
  library: Library,
  ready: () => void,
): Promise<Engine | undefined> {
  const { shared, store, credentials, queue } = options;
  if (shared === undefined || typeof SharedWorker === "undefined" || navigator.locks === undefined) return undefined;
  // What is a function of this page can't be called in a worker.
  if (options.WebSocket !== undefined || typeof store === "object") return undefined;
  const { endpoints } = settings;
  const hello = {
    settings,
    audience: JSON.stringify([endpoints, audienceOf(credentials), options.sharedAs ?? ""]),
    store: store === true ? endpoints.join(" ") : store === false ? undefined : store,
    waits: queue?.whenFull === "wait",
  };
  const open = (): ReturnType<typeof openLink> => openLink(shared, hello);
  try {
    const link = await open();
    library.learnCodes((code) => link.codes.get(code));
    return new RemoteEngine(link, open, library, ready, queue?.maxCount);
  } catch (error) {
    // The session is the tab's own then, which it says: whoever builds the page may want to know why.
    console.warn("outpour: the connection is not shared.", error);
    return undefined;
  }
}

/** For whom a connection is: other credentials never share it. Those of a function are what the application says. */
function audienceOf(credentials: ConnectOptions["credentials"]): string {
  if (credentials === undefined) return "anybody";
  if (typeof credentials === "function") return "asked for";
  return typeof credentials === "string" ? `text ${credentials}` : `bytes ${credentials.join(" ")}`;
}
