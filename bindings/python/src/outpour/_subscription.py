"""The updates of the topics that a selector matches, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _ffi
from ._errors import translated
from ._records import Update, read_updates

if TYPE_CHECKING:
    from typing_extensions import Self

BATCH = 256
"""How many updates are taken from the library at once: enough that what each batch costs does not matter."""


class Subscription:
    """Interest in topics, whatever the network does, until it is closed or dropped.

    Iterating gives updates. Cancelling a task that waits for one loses none: whoever iterates next gets it. An application
    that reads slowly is told fewer, newer values, and of events which ones it misses.

    ```python
    async with session.subscribe("prices/*", max_rate=10) as prices:
        async for update in prices:
            print(update.path, update.value)
    ```
    """

    def __init__(self, inner: _ffi.Subscription) -> None:
        """For the package's own use: see `Session.subscribe`."""
        self._inner = inner
        # Taken and not given yet, the next one last.
        self._taken: list[Update[Any]] = []

    def __aiter__(self) -> Self:
        """The subscription itself."""
        return self

    async def __anext__(self) -> Update[Any]:
        """The next update; ends when the session or the subscription is closed."""
        if not self._taken:
            batch = await self._batch()
            batch.reverse()
            # Somebody else who iterates may have put something there meanwhile.
            self._taken = batch + self._taken
        return self._taken.pop()

    async def batches(self) -> AsyncIterator[list[Update[Any]]]:
        """Iterates over batches: all updates that are there at once."""
        while True:
            if self._taken:
                batch, self._taken = self._taken[::-1], []
            else:
                try:
                    batch = await self._batch()
                except StopAsyncIteration:
                    return
            yield batch

    async def _batch(self) -> list[Update[Any]]:
        while True:
            await self._inner.ready()
            with translated:
                taken = self._inner.take(BATCH)
            if taken is None:
                raise StopAsyncIteration
            batch = read_updates(taken)
            if batch:
                return batch

    def close(self) -> None:
        """Ends the subscription, and whoever iterates over it."""
        self._taken.clear()
        self._inner.end()

    async def __aenter__(self) -> Self:
        """The subscription itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the subscription."""
        self.close()
