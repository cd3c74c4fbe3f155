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
      // The last batch may bring more than what is counted.
      for (const update of updates) {
        const read = isParsed ? update.value.bid : update.bytes.length;
        if (told++ < count) sum += read;
      }
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

/** Follows a gateway until `stop()`, and notes how long it kept the page from doing anything else. */
export async function followSteadily(url) {
  const longTasks = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration);
  });
  const session = outpour.connect(url);
  let told = 0;
  const following = session.subscribe("bench/*", (updates) => {
    for (const { value } of updates) if (value.bid > 0) told++;
  });
  await following.ready;
  // What comes at once when a page connects is one long batch.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  observer.observe({ type: "longtask" });
  const begin = performance.now();
  told = 0;
  globalThis.look = () => ({ told, longTasks, ms: performance.now() - begin, topics: session.replicas("bench/*").length });
  globalThis.stop = () => session.close(0);
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
