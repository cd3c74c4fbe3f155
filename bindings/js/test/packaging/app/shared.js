import { connect } from "outpour";

// The bundler finds the worker's script by this expression, and bundles it on its own.
const session = connect(new URL(location.href).searchParams.get("gateway"), {
  shared: () => new SharedWorker(new URL("outpour/shared-worker", import.meta.url), { type: "module" }),
});
await session.set("packaging/shared", { from: "a shared worker" });
const { value } = await session.get("packaging/shared");
document.title = `done: ${session.shared ? value.from : "a page of its own"}`;
await session.close();
