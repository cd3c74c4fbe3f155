/**
 * The entry for places without assets: the WebAssembly module is part of the script.
 *
 * @packageDocumentation
 */
import bytes from "./wasm/outpour.wasm";
import { loadModule } from "./module.js";
import type { ConnectOptions } from "./options.js";
import { open, type Session } from "./session.js";

export * from "./api.js";

/**
 * Begins a session, like `connect` of `outpour`.
 *
 * ```ts
 * import { connect } from "outpour/inline";
 *
 * const session = connect("wss://live.example.org");
 * console.log((await session.get<{ bid: number }>("prices/eurusd"))?.value.bid);
 * ```
 */
export function connect(urls: string | readonly string[], options?: ConnectOptions): Session {
  return open({ load: () => loadModule(() => bytes), webSocket: async () => globalThis.WebSocket }, urls, options);
}
