/**
 * The entry for whoever loads the WebAssembly module in a way of their own: it is handed to {@link connect}.
 *
 * @packageDocumentation
 */
import { loadModule, type ModuleSource } from "./module.js";
import type { ConnectOptions } from "./options.js";
import { open, type Session } from "./session.js";

export * from "./api.js";
export type { ModuleSource } from "./module.js";

/** How a session is set up, and the module. */
export interface SlimOptions extends ConnectOptions {
  /** The module, `outpour/outpour.wasm`: its bytes, compiled, a response, an address, or a function that gets one of these. */
  readonly wasm: ModuleSource | (() => ModuleSource | Promise<ModuleSource>);
}

/**
 * Begins a session, like `connect` of `outpour`.
 *
 * ```ts
 * import { connect } from "outpour/slim";
 *
 * const session = connect("wss://live.example.org", { wasm: () => fetch("/static/outpour.wasm") });
 * ```
 */
export function connect(urls: string | readonly string[], options: SlimOptions): Session {
  const { wasm } = options;
  const find = typeof wasm === "function" ? (wasm as () => ModuleSource | Promise<ModuleSource>) : () => wasm;
  return open({ load: () => loadModule(find), webSocket: async () => globalThis.WebSocket }, urls, options);
}
