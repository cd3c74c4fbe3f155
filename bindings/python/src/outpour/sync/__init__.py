"""The package for scripts that don't use asyncio: the same names, and calls that block.

>>> import outpour.sync
>>> with outpour.sync.connect(url) as session:
...     version = session.set("prices/eurusd", {"bid": 1.0841})
...     for update in session.subscribe("prices/**"):
...         print(update.path, update.value["bid"])
...         break
prices/eurusd 1.0841

Sessions may be used by several threads. What waits takes a `timeout` in seconds, and raises `TimeoutError` after it.
"""

from ._session import Session, UpdateStream, connect, start
from ._subscription import Subscription

__all__ = ["Session", "Subscription", "UpdateStream", "connect", "start"]
