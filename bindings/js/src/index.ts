/**
 * Live data over any network: topics that an application holds replicas of, kept up to date by the bytes that changed, and
 * resumed wherever the network comes back. This entry loads the WebAssembly module, `outpour.wasm`, by itself.
 *
 * @packageDocumentation
 */
import { loadModule } from "./module.js";
import type { ConnectOptions } from "./options.js";
import { open, type Session } from "./session.js";

export * from "./api.js";

/**
 * Begins a session with a gateway, or with the first of several that can be reached. Returns at once: what is asked of the
 * session waits until it is connected. Nothing is loaded before this is called.
 *
 * ```ts
 * import { connect } from "outpour";
 *
 * const session = connect("ws://127.0.0.1:7400");
 * session.subscribe<{ bid: number }>("prices/*", (updates) => {
 *   for (const { path, value } of updates) console.log(path, value);
 * });
 * await session.set("prices/eurusd", { bid: 1.0841 });
 * ```
 *
 * @throws {@link OutpourError} if an address or an option is not valid. What goes wrong later ends the session:
 * {@link Session.closed} resolves with why.
 */
export function connect(urls: string | readonly string[], options?: ConnectOptions): Session {
  return open(
    {
      load: () => loadModule(() => new URL("./outpour.wasm", import.meta.url)),
      webSocket: async () => globalThis.WebSocket,
    },
    urls,
    options,
  );
}
