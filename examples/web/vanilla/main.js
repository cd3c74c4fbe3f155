// Shows the topics below `prices`, and changes one of them.
import { connect } from "outpour";

const gateway = new URLSearchParams(location.search).get("gateway") ?? "ws://127.0.0.1:7400";
const session = connect(gateway, { store: true });
const [status, prices, change] = ["status", "prices", "change"].map((id) => document.getElementById(id));
const rows = new Map();

session.onConnection(({ state, error }) => {
  status.textContent = error === undefined ? state : `${state}: ${error.message}`;
  prices.classList.toggle("stale", state !== "connected");
});

session.subscribe("prices/*", (updates) => {
  for (const { kind, path, value } of updates) {
    if (kind === "value") show(path, value);
    if (kind === "removed") {
      rows.get(path)?.remove();
      rows.delete(path);
    }
  }
});

function show(path, { bid }) {
  const row = rows.get(path) ?? prices.insertRow();
  if (!rows.has(path)) {
    rows.set(path, row);
    row.insertCell().textContent = path;
    row.insertCell();
  }
  row.cells[1].textContent = bid;
  row.className = "";
  // Read, so that the animation begins again.
  void row.offsetWidth;
  row.className = "changed";
}

change.addEventListener("click", async () => {
  const held = await session.get("prices/eurusd");
  const bid = (held?.value.bid ?? 1.0841) + (Math.random() - 0.5) / 1000;
  await session.set("prices/eurusd", { bid: Number(bid.toFixed(5)) });
});
