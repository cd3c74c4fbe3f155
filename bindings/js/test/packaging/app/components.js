import { connect } from "outpour/inline";
import { useTopic } from "outpour/react";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

const session = connect(new URL(location.href).searchParams.get("gateway"));
const subscriptions = [];
const subscribe = session.subscribe.bind(session);
session.subscribe = (...call) => {
  const subscription = subscribe(...call);
  subscriptions.push(subscription);
  return subscription;
};

const Price = () => createElement("b", null, useTopic(session, "packaging/price")?.value ?? "none");
const place = document.getElementById("root");
const root = createRoot(place);
const show = (count) => root.render(Array.from({ length: count }, (_, key) => createElement(Price, { key })));
const shown = (text) =>
  new Promise((resolve) => {
    const look = () => {
      if (place.textContent !== text) return;
      observer.disconnect();
      resolve();
    };
    const observer = new MutationObserver(look);
    observer.observe(place, { childList: true, subtree: true, characterData: true });
    look();
  });

// Three components, then one, then none: there is one subscription for as long as one of them is shown.
show(3);
await session.set("packaging/price", 1);
await shown("111");
const during = subscriptions.map(({ isClosed }) => isClosed);
show(1);
await shown("1");
await session.set("packaging/price", 2);
await shown("2");
const after = subscriptions.map(({ isClosed }) => isClosed);
show(0);
await shown("");
await subscriptions[0].closed;
document.title = `done: ${JSON.stringify([during, after, subscriptions.map(({ isClosed }) => isClosed)])}`;
await session.close();
