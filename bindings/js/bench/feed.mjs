// What is published: JSON of 200 bytes of which an update changes a few, for `outpour pub --jsonl`.

const ROUNDS = 20;
const BYTES = 200;

/** The lines of the feed: every topic in turn, in each round with another price, size and count. */
export function feed(topics = 1_000) {
  const lines = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let topic = 0; topic < topics; topic++) {
      lines.push(`{"topic":"bench/${topic}","value":${value(topic, round)}}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A quote: prices move by their last digits. */
export function value(topic, round) {
  const bid = 1_000_000 + topic * 100 + ((round * 7) % 90);
  const quote = {
    symbol: `INSTRUMENT-${10_000 + topic}`,
    bid: bid / 1e4,
    ask: (bid + 3) / 1e4,
    count: 500 + round,
    venue: "XETR",
  };
  const text = JSON.stringify(quote);
  return `${text.slice(0, -1)},"note":"${"n".repeat(BYTES - text.length - 10)}"}`;
}
