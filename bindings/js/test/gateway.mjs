// A real gateway for tests: `outpour serve` on a free port, and a proxy before it that can break things.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { connect as openSession } from "outpour";

const PROGRAM = process.env.OUTPOUR;
if (PROGRAM === undefined) throw new Error("Set OUTPOUR to the program to test with; `cargo xtask test --only npm` does.");

/** Starts a gateway; gives its address and what ends it. */
export async function startGateway({ args = [], env = {} } = {}) {
  const child = spawn(PROGRAM, ["serve", "--listen", "127.0.0.1:0", ...args], {
    env: { ...process.env, RUST_LOG: "outpour=info", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  let url;
  for await (const line of createInterface({ input: child.stdout })) {
    url = /ws:\/\/[\d.:]+/.exec(line)?.[0] ?? /listening on (\S+)/.exec(line)?.[1];
    if (url !== undefined) break;
  }
  if (url === undefined) throw new Error(`the gateway did not start: ${said}`);
  child.stdout.resume();
  return {
    url,
    kill: async (signal = "SIGKILL") => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, "exit");
    },
  };
}

/** Publishes a recorded feed over and over, so many updates a second, until it is ended. */
export function publishFeed(url, name, rate) {
  const feed = openSync(new URL(`../../../examples/feeds/${name}.jsonl.zst`, import.meta.url));
  const child = spawn(PROGRAM, ["pub", url, "--jsonl", "--loop", "--rate", String(rate)], {
    stdio: [feed, "ignore", "inherit"],
  });
  closeSync(feed);
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await once(child, "exit");
  };
}

/** A proxy to a gateway whose connections can be cut and stalled. */
export async function startProxy(target) {
  const sockets = new Set();
  const connections = new Set();
  const idle = [];
  let { hostname, port } = new URL(target);
  let isOpen = true;
  let accepted = 0;
  const server = createServer((near) => {
    accepted++;
    if (!isOpen) return near.destroy();
    const far = connect(Number(port), hostname);
    connections.add(near);
    near.on("close", () => {
      connections.delete(near);
      if (connections.size === 0) for (const resolve of idle.splice(0)) resolve();
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    get accepted() {
      return accepted;
    },
    /** How many connections there are now. */
    get connections() {
      return connections.size;
    },
    /** Resolves when there is no connection. */
    idle: () => (connections.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    cut: () => {
      for (const socket of [...sockets]) socket.resetAndDestroy?.();
    },
    close: () => {
      isOpen = false;
      for (const socket of [...sockets]) socket.destroy();
    },
    open: (other = target) => {
      ({ hostname, port } = new URL(other));
      isOpen = true;
    },
    stall: () => {
      for (const socket of sockets) socket.pause();
    },
    end: async () => {
      for (const socket of [...sockets]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A session that is closed when the test is over. */
export function open(test, url, options) {
  const session = openSession(url, options);
  test.after(() => session.close(0));
  return session;
}

/** Waits until a session's connection is in a state. */
export function until(session, state) {
  if (session.connection.state === state) return Promise.resolve(session.connection);
  return new Promise((resolve) => {
    const stop = session.onConnection((connection) => {
      if (connection.state !== state) return;
      stop();
      resolve(connection);
    });
  });
}
