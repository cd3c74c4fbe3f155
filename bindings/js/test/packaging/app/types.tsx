// Checked with `tsc --strict`, the package's declarations as well.
import { connect, OutpourError, Value, type Session, type Update } from "outpour";
import { connect as connectInline } from "outpour/inline";
import { useTopic } from "outpour/react";
import { connect as connectSlim } from "outpour/slim";

interface Price {
  readonly bid: number;
}

export async function follow(session: Session): Promise<number> {
  const controller = new AbortController();
  let sum = 0;
  for await (const update of session.subscribe<Price>("prices/*", { signal: controller.signal })) {
    const version: string = update.version;
    if (update.kind === "value") sum += update.value.bid + version.length;
    if (sum > 10) controller.abort();
  }
  const stop = session.subscribe<Price>("prices/*").listen((updates: Update<Price>[]) => void updates.length);
  stop();
  await session.set("counters/visits", Value.int64(1n), { ifAbsent: true }).catch((error: unknown) => {
    if (error instanceof OutpourError && error.fault === "caller") return undefined;
    throw error;
  });
  return session.replica<Price>("prices/eurusd")?.value.bid ?? sum;
}

export function Bid({ session }: { session: Session }): number | undefined {
  return useTopic<Price>(session, "prices/eurusd")?.value.bid;
}

export const sessions = [
  connect("ws://127.0.0.1:7400"),
  connectInline(["ws://127.0.0.1:7400"], { credentials: async () => "a token" }),
  connectSlim("ws://127.0.0.1:7400", { wasm: new URL("https://example.org/outpour.wasm") }),
  connect("ws://127.0.0.1:7400", {
    shared: () => new SharedWorker(new URL("outpour/shared-worker", "https://example.org")),
  }),
];
// @ts-expect-error The module is not an option that can be left out.
connectSlim("ws://127.0.0.1:7400", {});
