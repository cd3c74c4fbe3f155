import type { Engine } from "./engine.js";
import { report } from "./listeners.js";

/**
 * Where a session keeps what it holds, so that it is there at once when the program is started anew: a value under one
 * key. The bytes are versioned and checked by the session; a store has only to give back what it was given last.
 *
 * ```ts
 * import { connect, type Store } from "outpour";
 * import { readFile, rename, writeFile } from "node:fs/promises";
 *
 * const file: Store = {
 *   load: () => readFile("prices.store").catch(() => undefined),
 *   save: async (bytes) => {
 *     await writeFile("prices.new", bytes);
 *     await rename("prices.new", "prices.store");
 *   },
 *   clear: () => writeFile("prices.store", ""),
 * };
 * const session = connect("ws://127.0.0.1:7400", { store: file });
 * ```
 */
export interface Store {
  /** What was saved last; `undefined` if there is nothing. */
  load(): Promise<Uint8Array | undefined>;
  /** Keeps these bytes in place of those before, as a whole or not at all. */
  save(bytes: Uint8Array): Promise<void>;
  /** Forgets what was saved. */
  clear(): Promise<void>;
}

const DATABASE = "outpour";
const TABLE = "stores";

/** A store in IndexedDB, one for each name. */
class IndexedDbStore implements Store {
  readonly #name: string;
  #database: Promise<IDBDatabase> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  async load(): Promise<Uint8Array | undefined> {
    const held: unknown = await this.#request("readonly", (table) => table.get(this.#name));
    return held instanceof Uint8Array ? held : undefined;
  }

  async save(bytes: Uint8Array): Promise<void> {
    await this.#request("readwrite", (table) => table.put(bytes, this.#name));
  }

  async clear(): Promise<void> {
    await this.#request("readwrite", (table) => table.delete(this.#name));
  }

  async #request<T>(mode: IDBTransactionMode, ask: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    // It stays open: a page that is left has no time to open it.
    this.#database ??= openDatabase(() => (this.#database = undefined));
    const database = await this.#database;
    const transaction = database.transaction(TABLE, mode);
    const request = ask(transaction.objectStore(TABLE));
    transaction.commit();
    return settled(request);
  }

  async close(): Promise<void> {
    const opened = this.#database;
    this.#database = undefined;
    (await opened)?.close();
  }
}

async function openDatabase(lost: () => void): Promise<IDBDatabase> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  try {
    const database = await settled(opening);
    database.onclose = lost;
    database.onversionchange = () => {
      database.close();
      lost();
    };
    return database;
  } catch (error) {
    lost();
    throw error;
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB did not say why."));
  });
}

/** The store that an option names; `undefined` if there is none, or no IndexedDB here. @internal */
export function storeOf(option: boolean | string | Store | undefined, urls: readonly string[]): Store | undefined {
  if (option === undefined || option === false) return undefined;
  if (typeof option === "object") return option;
  if (typeof indexedDB === "undefined") return undefined;
  return new IndexedDbStore(option === true ? urls.join(" ") : option);
}

/** How long changes wait before they are written, in milliseconds. */
const PAUSE_MS = 1000;
/** The largest store. */
const MAX_BYTES = 32 << 20;

/** Writes what a session holds to its store, now and then, and never two at once. @internal */
export class Keeper {
  readonly #store: Store;
  #engine: Engine | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #release: (() => void) | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Gives an engine what was held, if this is the only session that uses the store. */
  async load(engine: Engine, name: string): Promise<void> {
    const isOwn = await this.#lock(`outpour:${name}`);
    try {
      const bytes = await this.#store.load();
      // Bytes that can't be trusted are not taken up, and soon replaced.
      if (bytes !== undefined && bytes.length > 0) engine.import(bytes);
    } catch (error) {
      report(error);
    }
    if (isOwn) this.#engine = engine;
  }

  /** Of several tabs, one writes. */
  async #lock(name: string): Promise<boolean> {
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    if (locks === undefined || !(this.#store instanceof IndexedDbStore)) return true;
    return new Promise((resolve) => {
      const held = locks.request(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<void>((release) => (this.#release = release));
      });
      held.catch(() => resolve(true));
    });
  }

  /** Something has changed. */
  note(): void {
    if (this.#timer !== undefined || this.#engine === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isWriting) this.note();
      else this.write();
    }, PAUSE_MS);
  }

  /** Writes what is held now. */
  write(): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    const bytes = engine.export(MAX_BYTES);
    this.#isWriting = true;
    this.#writing = this.#writing
      .then(() => (bytes.length === 0 ? this.#store.clear() : this.#store.save(bytes)))
      .catch(report)
      .finally(() => (this.#isWriting = false));
  }

  /** Writes a last time, and waits until it is written. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.write();
    this.#engine = undefined;
    await this.#writing;
    if (this.#store instanceof IndexedDbStore) await this.#store.close();
    this.#release?.();
  }
}
