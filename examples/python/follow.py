"""Prints what happens to the topics that a selector matches: python follow.py 'prices/**'."""

import argparse
import asyncio
import sys

import outpour


async def tell_connection(session: outpour.Session) -> None:
    """Where the connection stands, as it changes."""
    async for connection in session.connection_states():
        print(connection.state, connection.error or "", file=sys.stderr)


async def tell_resumptions(session: outpour.Session) -> None:
    """What came of each lost connection."""
    async for resumption in session.resumptions():
        print(f"away for {resumption.away:.3f} s: {resumption.outcome}", *resumption.missed, file=sys.stderr)


async def main(url: str, selector: str, count: int | None) -> None:
    """Follows, until there have been so many updates."""
    async with outpour.start(url) as session:
        beside = [asyncio.create_task(tell(session)) for tell in (tell_connection, tell_resumptions)]
        told = 0
        async for update in session.subscribe(selector, from_=outpour.Last(10)):
            print(update.kind, update.path, update.version, update.value)
            told += 1
            if told == count:
                break
        await session.close()
        # Both end with the session.
        await asyncio.gather(*beside)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("selector", nargs="?", default="**")
    parser.add_argument("--url", default="ws://127.0.0.1:7400")
    parser.add_argument("--count", type=int, help="end after so many updates")
    options = parser.parse_args()
    try:
        asyncio.run(main(options.url, options.selector, options.count))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
