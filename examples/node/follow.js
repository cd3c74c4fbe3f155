// Prints what happens to the topics that a selector matches: node follow.js 'prices/**' [url]
import { connect } from "outpour";

const [selector = "**", url = "ws://127.0.0.1:7400"] = process.argv.slice(2);
const session = connect(url);
session.onConnection((connection) => console.error(connection.state, connection.error?.message ?? ""));
session.onResumed(({ awayMs, outcome }) => console.error(`away for ${Math.round(awayMs)} ms: ${outcome}`));
process.once("SIGINT", () => session.close());

for await (const { kind, path, value, version } of session.subscribe(selector)) {
  console.log(kind, path, version, value);
}
