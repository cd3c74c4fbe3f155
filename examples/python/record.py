"""Records updates as JSON Lines: python record.py 'prices/**' prices.jsonl --count 1000."""

import argparse
import asyncio
import json
import time

import outpour


async def main(url: str, selector: str, file: str, count: int) -> None:
    """Writes a batch at a time. JSON is written as it came: nothing is parsed."""
    with open(file, "w", encoding="utf-8") as out:
        async with outpour.connect(url) as session:
            left = count
            async for batch in session.subscribe(selector, from_="all").batches():
                at = time.time()
                for update in [update for update in batch if update.type == "json" and update.bytes][:left]:
                    left -= 1
                    value = update.bytes.decode()
                    out.write(f'{{"at":{at:.6f},"topic":{json.dumps(update.path)},"version":{update.version},"value":{value}}}\n')
                if left == 0:
                    break
    print(f"{count} updates in {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("selector")
    parser.add_argument("file")
    parser.add_argument("--url", default="ws://127.0.0.1:7400")
    parser.add_argument("--count", type=int, default=1000, help="end after so many updates")
    options = parser.parse_args()
    asyncio.run(main(options.url, options.selector, options.file, options.count))
