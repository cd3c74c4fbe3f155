import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The program under test, with the page in it: `OUTPOUR`, or what cargo has built. */
const PROGRAM = process.env["OUTPOUR"] ?? fileURLToPath(new URL("../../../target/debug/outpour", import.meta.url));

/** A gateway in a process of its own. */
export class Gateway implements Disposable {
  readonly url: string;
  readonly page: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
    this.page = url.replace("ws:", "http:");
  }

  /** `outpour serve`, on a free port. */
  static serve(environment: Record<string, string> = {}): Promise<Gateway> {
    return Gateway.#start(["serve", "--listen", "127.0.0.1:0", "--log", "warn"], environment);
  }

  /** `outpour demo`, on free ports. */
  static demo(...options: string[]): Promise<Gateway> {
    return Gateway.#start(["demo", "--plain", "--listen", "127.0.0.1:0", ...options], {});
  }

  static async #start(options: string[], environment: Record<string, string>): Promise<Gateway> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing; run \`cargo build -p outpour-cli\` or set OUTPOUR`);
    const child = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
    const url = await new Promise<string>((resolve, reject) => {
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        const url = /ws:\/\/[\d.:]+/.exec(text)?.[0];
        if (url !== undefined && text.includes("\n")) resolve(url);
      });
      child.on("exit", (code) => reject(new Error(`outpour ${options.join(" ")} ended with ${code}`)));
    });
    return new Gateway(child, url);
  }

  /** Publishes lines of `{"topic", "value"}` to their end. */
  publish(lines: readonly object[], ...options: string[]): void {
    execFileSync(PROGRAM, ["pub", this.url, "--jsonl", ...options], {
      input: lines.map((line) => JSON.stringify(line)).join("\n"),
    });
  }

  /** Publishes a recorded feed at a rate, in the background; the promise is kept when all of it is acknowledged. */
  async replay(lines: readonly string[], rate: number): Promise<void> {
    const child = spawn(PROGRAM, ["pub", this.url, "--jsonl", "--rate", String(rate)], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    child.stdin.end(lines.join("\n"));
    const code = await ended;
    if (code !== 0) throw new Error(`outpour pub ended with ${code}`);
  }

  /** The values that another client gets, as JSON text by path. */
  values(selector = "**"): Map<string, string> {
    const text = execFileSync(PROGRAM, ["get", this.url, selector, "--jsonl"], { encoding: "utf8", maxBuffer: 1 << 28 });
    const values = new Map<string, string>();
    for (const line of text.split("\n").filter((line) => line !== "")) {
      const path = (JSON.parse(line) as { topic: string }).topic;
      values.set(path, line.slice(line.indexOf('"value":') + '"value":'.length, -1));
    }
    return values;
  }

  [Symbol.dispose](): void {
    this.#process.removeAllListeners("exit");
    this.#process.kill("SIGKILL");
  }
}
