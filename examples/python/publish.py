"""Sets a price twice a second: python publish.py [--count N]."""

import argparse
import asyncio
import random

import outpour


async def main(url: str, count: int, pause: float) -> None:
    """Sends only what changes of each price."""
    async with outpour.connect(url) as session:
        bid = 1.0841
        with session.update_stream("prices/eurusd") as price:
            for _ in range(count):
                bid = round(bid + random.uniform(-0.0005, 0.0005), 5)
                version = await price.set({"pair": "EUR/USD", "bid": bid, "ask": round(bid + 0.0002, 5)})
                print(f"version {version}: {bid}")
                await asyncio.sleep(pause)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:7400")
    parser.add_argument("--count", type=int, default=1_000_000, help="how many prices")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between them")
    options = parser.parse_args()
    try:
        asyncio.run(main(options.url, options.count, options.pause))
    except KeyboardInterrupt:
        print("stopped")
