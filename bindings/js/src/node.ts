import { readFile } from "node:fs/promises";
import { loadModule } from "./module.js";
import type { ConnectOptions, WebSocketConstructor } from "./options.js";
import { open, type Session } from "./session.js";

export * from "./api.js";

/** The entry for Node: the module is read from the package, and where there is no `WebSocket` the package `ws` is used. */
export function connect(urls: string | readonly string[], options?: ConnectOptions): Session {
  return open(
    { load: () => loadModule(() => readFile(new URL("./outpour.wasm", import.meta.url))), webSocket: findWebSocket },
    urls,
    options,
  );
}

async function findWebSocket(): Promise<WebSocketConstructor | undefined> {
  if (typeof globalThis.WebSocket === "function") return globalThis.WebSocket;
  try {
    const { WebSocket } = await import("ws");
    return WebSocket as unknown as WebSocketConstructor;
  } catch {
    return undefined;
  }
}
