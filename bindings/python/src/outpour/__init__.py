"""Live data over any network, for asyncio.

A publisher sets a topic; every subscriber holds a replica of it, and only the bytes that changed cross the network. A session
survives lost networks and dead gateways: it goes on where it was, with what changed meanwhile, and nothing is lost silently.

```python
import asyncio
import outpour

async def main() -> None:
    async with outpour.connect("ws://127.0.0.1:7400") as session:
        await session.set("prices/eurusd", {"bid": 1.0841, "ask": 1.0843})
        async for update in session.subscribe("prices/**"):
            print(update.path, update.value["bid"])

asyncio.run(main())
```

`outpour.sync` has the same names for scripts that don't use asyncio. What the library has to say goes to the logger `outpour`.
"""

from . import sync
from ._connection import ConnectionState, MissedEvents, Resumption, Statistics
from ._errors import CallerError, ClosedError, Fault, GatewayError, NetworkError, OutpourError, PeerError
from ._options import After, ConnectOptions, Credentials, CredentialsProvider, HistoryStart, Last
from ._records import Fetched, FetchedItem, Replica, Update, UpdateKind
from ._session import Connecting, Session, UpdateStream, connect, start
from ._subscription import Subscription
from ._values import Value, ValueType

__all__ = [
    "After",
    "CallerError",
    "ClosedError",
    "ConnectOptions",
    "Connecting",
    "ConnectionState",
    "Credentials",
    "CredentialsProvider",
    "Fault",
    "Fetched",
    "FetchedItem",
    "GatewayError",
    "HistoryStart",
    "Last",
    "MissedEvents",
    "NetworkError",
    "OutpourError",
    "PeerError",
    "Replica",
    "Resumption",
    "Session",
    "Statistics",
    "Subscription",
    "Update",
    "UpdateKind",
    "UpdateStream",
    "Value",
    "ValueType",
    "connect",
    "start",
    "sync",
]
