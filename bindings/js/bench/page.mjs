// What runs in the page: functions that Playwright sends there. The package is `outpour` in it.

/** Follows until so many updates are there; gives the milliseconds from the first to the last. */
export async function followAll([url, count, isParsed]) {
  const session = outpour.connect(url);
  let told = 0;
  let sum = 0;
  let first = 0;
  const last = await new Promise((resolve) => {
    session.subscribe("bench/*", (updates) => {
      if (told === 0) first = performance.now();
      told += updates.length;
      for (const update of updates) sum += isParsed ? update.value.bid : update.bytes.length;
      if (told >= count) resolve(performance.now());
    });
  });
  await session.close(0);
  return { ms: last - first, sum };
}

/** The same of full values from a plain WebSocket. */
export async function receiveAll([url, count]) {
  const socket = new WebSocket(url);
  let told = 0;
  let sum = 0;
  let first = 0;
  const last = await new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      if (told++ === 0) first = performance.now();
      sum += JSON.parse(data).bid;
      if (told === count) resolve(performance.now());
    };
  });
  socket.close();
  return { ms: last - first, sum };
}

/** Follows a gateway that is being published to, and counts for so many milliseconds. */
export async function followFor([url, forMs, isParsed]) {
  const session = outpour.connect(url);
  let told = 0;
  let sum = 0;
  const following = session.subscribe("bench/*", (updates) => {
    told += updates.length;
    for (const update of updates) sum += isParsed ? update.value.bid : update.bytes.length;
  });
  await following.ready;
  [told, sum] = [0, 0];
  const begin = performance.now();
  const before = session.statistics();
  await new Promise((resolve) => setTimeout(resolve, forMs));
  const ms = performance.now() - begin;
  const after = session.statistics();
  const result = { ms, told, sum, bytes: after.bytesReceived - before.bytesReceived };
  await session.close(0);
  return result;
}

/** Milliseconds from `connect()` to a value in the document. */
export async function showFirst(url) {
  const begin = performance.now();
  const session = outpour.connect(url);
  const shown = await new Promise((resolve) => {
    session.subscribe("first/value", ([update]) => {
      document.body.textContent = update.value.bid;
      resolve(performance.now());
    });
  });
  await session.close(0);
  return shown - begin;
}

/** The same from a plain WebSocket. */
export async function showFirstPlain(url) {
  const begin = performance.now();
  const socket = new WebSocket(url);
  const shown = await new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      document.body.textContent = JSON.parse(data).bid;
      resolve(performance.now());
    };
  });
  socket.close();
  return shown - begin;
}
