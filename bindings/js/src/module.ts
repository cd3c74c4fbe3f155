import { Boundary } from "./boundary.js";
import { errorOf } from "./errors.js";
import type { Module } from "./engine.js";
import { Codes } from "./numbers.js";

/** The module as bytes, compiled, as a response, or where it lies. */
export type ModuleSource = BufferSource | WebAssembly.Module | Response | URL | string;

let loading: Promise<Module> | undefined;

/** Loads the module once, whoever asks first. A module that could not be loaded is tried again. @internal */
export function loadModule(find: () => ModuleSource | Promise<ModuleSource>): Promise<Module> {
  loading ??= load(find).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(find: () => ModuleSource | Promise<ModuleSource>): Promise<Module> {
  try {
    const boundary = new Boundary();
    boundary.attach(await instantiate(await find(), boundary.imports));
    return boundary;
  } catch (cause) {
    throw errorOf(Codes.moduleFailed, adviceOn(cause), undefined, cause);
  }
}

async function instantiate(source: ModuleSource, imports: WebAssembly.Imports): Promise<WebAssembly.Instance> {
  if (source instanceof WebAssembly.Module) return WebAssembly.instantiate(source, imports);
  const found = typeof source === "string" || source instanceof URL ? await fetch(source) : source;
  if (!("headers" in found)) return (await WebAssembly.instantiate(found, imports)).instance;
  if (!found.ok) throw new Error(`${found.status} ${found.url}`);
  // Compiled while it is loaded, if the server names its type.
  const isTyped = found.headers.get("Content-Type")?.startsWith("application/wasm") === true;
  const { instance } = isTyped
    ? await WebAssembly.instantiateStreaming(found, imports)
    : await WebAssembly.instantiate(await found.arrayBuffer(), imports);
  return instance;
}

function adviceOn(cause: unknown): string {
  const problem = String(cause);
  if (typeof WebAssembly === "undefined") return "This platform has no WebAssembly.";
  if (/unsafe-eval|Content Security Policy|blocked by CSP/i.test(problem)) {
    return "The page's Content-Security-Policy forbids it: add 'wasm-unsafe-eval' to script-src.";
  }
  if (/Failed to fetch|404|NetworkError|ENOENT|Incorrect response MIME|expected magic word/i.test(problem)) {
    return `outpour.wasm is not where it is looked for: serve it beside the script, load it yourself with "outpour/slim", or use "outpour/inline". (${problem})`;
  }
  return problem;
}
