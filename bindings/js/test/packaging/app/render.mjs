// On a server nothing has been told yet: a page is rendered with what there is before.
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { connect } from "outpour";
import { useConnection, useTopic } from "outpour/react";

const session = connect("ws://127.0.0.1:9");

function Price() {
  const price = useTopic(session, "prices/eurusd");
  return createElement("p", { className: useConnection(session).state }, price?.value.bid ?? "none yet");
}

console.log(renderToString(createElement(Price)));
await session.close(0);
