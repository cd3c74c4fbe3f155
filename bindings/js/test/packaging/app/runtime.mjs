// What a program does, in whatever runs it: sets, asks, is refused, and is told of a topic, also over a lost connection.
import { connect } from "outpour";

const [gateway, path] = process.argv.slice(2);
const session = connect(gateway, { backoff: { baseMs: 50, capMs: 100 } });
const { version } = await session.set(path, { n: 1 });
console.log("set", (await session.get(path)).version === version);
const refusal = await session.set(path, 2, { ifAbsent: true }).catch((error) => error);
console.log("refused", refusal.reason);
session.onConnection(({ state }) => state === "disconnected" && console.log(state));
for await (const { kind, value } of session.subscribe(path)) {
  console.log(kind, value.n);
  if (value.n === 2) break;
}
console.log("closed", await session.close());
