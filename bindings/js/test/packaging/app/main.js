import { connect } from "outpour";

// The page and a worker each have a session; the worker answers with what it has read.
const gateway = new URL(location.href).searchParams.get("gateway");
const session = connect(gateway);
await session.set("packaging/app", { from: "the page" });
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.onerror = ({ message }) => (document.title = message);
worker.onmessage = async ({ data }) => {
  await session.close();
  document.title = `done: ${data.from}`;
};
worker.postMessage(gateway);
