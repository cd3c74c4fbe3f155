// Servers for the page to measure itself against: one that records what a gateway says, one that says it again as fast as it
// is taken, and one that sends full values, one to a message, as applications without Outpour do.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

const PROTOCOL = "outpour.v1";

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `ws://127.0.0.1:${server.address().port}`;
}

function end(server, sockets) {
  for (const socket of sockets) socket.destroy();
  server.close();
}

/** A WebSocket server that calls back with every connection. */
async function startServer(connected) {
  const server = createServer();
  const sockets = new Set();
  server.on("connection", (socket) => sockets.add(socket));
  const handleProtocols = () => PROTOCOL;
  new WebSocketServer({ server, handleProtocols, perMessageDeflate: false }).on("connection", connected);
  return { url: await listen(server), end: () => end(server, sockets) };
}

/** Stands before a gateway and keeps what it sends, each message with how many the client had sent before. */
export async function startRecorder(target) {
  const messages = [];
  const { url, end } = await startServer((client) => {
    const gateway = new WebSocket(target, PROTOCOL, { perMessageDeflate: false });
    const opened = once(gateway, "open");
    let sent = 0;
    client.on("message", async (data) => {
      sent++;
      await opened;
      gateway.send(data);
    });
    gateway.on("message", (data) => {
      messages.push({ data, after: sent });
      client.send(data);
    });
    client.on("close", () => gateway.terminate());
    gateway.on("close", () => client.terminate());
  });
  return { url, messages, end };
}

/** Says what was recorded, to every client anew. */
export function startReplay(messages) {
  return startServer((client) => {
    let at = 0;
    let heard = 0;
    client.on("message", () => {
      heard++;
      while (at < messages.length && messages[at].after <= heard) client.send(messages[at++].data);
    });
  });
}

/** Sends full values, one to a message, all of them as soon as a client is there. */
export async function startPlain(values) {
  const frames = Buffer.concat(values.map(textFrame));
  const server = createServer();
  const sockets = new Set();
  server.on("upgrade", (request, socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(frames);
    socket.resume();
  });
  return { url: await listen(server), end: () => end(server, sockets) };
}

function textFrame(text) {
  const payload = Buffer.from(text);
  const header = payload.length < 126 ? [0x81, payload.length] : [0x81, 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from(header), payload]);
}
