import init, { Engine, describe_code } from "./wasm/outpour_wasm.js";
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
    await init({ module_or_path: await find() });
    return { Engine, describeCode: describe_code };
  } catch (cause) {
    throw errorOf(Codes.moduleFailed, adviceOn(cause), undefined, cause);
  }
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
