// Publishes a price that changes twice a second, sending only what changed: node publish.js [url]
import { setTimeout } from "node:timers/promises";
import { connect } from "outpour";

const session = connect(process.argv[2] ?? "ws://127.0.0.1:7400");
const stream = session.updateStream("prices/eurusd");
let isOver = false;
process.once("SIGINT", () => (isOver = true));

for (let bid = 1.0841; !isOver; bid += (Math.random() - 0.5) / 1000) {
  const { version } = await stream.set({ bid: Number(bid.toFixed(5)), at: new Date().toISOString() });
  console.log(version);
  await setTimeout(500);
}
await session.close();
