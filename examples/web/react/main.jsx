// Shows the topics below `prices`, and changes one of them.
import { connect } from "outpour";
import { useConnection, useTopic, useTopics } from "outpour/react";
import { createRoot } from "react-dom/client";

const gateway = new URLSearchParams(location.search).get("gateway") ?? "ws://127.0.0.1:7400";
const session = connect(gateway, { store: true });

function Prices() {
  const prices = useTopics(session, "prices/*", { maxRate: 20 });
  return (
    <table>
      <tbody>
        {[...prices.values()].map(({ path, value, version, stale }) => (
          <tr key={path} className={stale ? "stale" : ""}>
            <td>{path}</td>
            <td key={version} className="changed">
              {value.bid}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Change() {
  const bid = useTopic(session, "prices/eurusd")?.value.bid ?? 1.0841;
  const change = () => session.set("prices/eurusd", { bid: Number((bid + (Math.random() - 0.5) / 1000).toFixed(5)) });
  return <button onClick={change}>Change EUR/USD</button>;
}

function Status() {
  const { state, error } = useConnection(session);
  return <p role="status">{error === undefined ? state : `${state}: ${error.message}`}</p>;
}

createRoot(document.getElementById("root")).render(
  <>
    <h1>Prices</h1>
    <Status />
    <Prices />
    <Change />
  </>,
);
