"""The updates of the topics that a selector matches, for threads."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _ffi
from .._errors import translated
from .._pulling import block
from .._records import Update, read_updates
from .._subscription import BATCH

if TYPE_CHECKING:
    from typing_extensions import Self


class Subscription:
    """Interest in topics, whatever the network does, until it is closed or dropped.

    Iterating gives updates. An application that reads slowly is told fewer, newer values, and of events which ones it misses.

    >>> session.append("orders", {"lots": 7}) > 0
    True
    >>> with session.subscribe("orders", from_="all") as orders:
    ...     print(orders.next(timeout=10).value)
    {'lots': 7}
    """

    def __init__(self, inner: _ffi.Subscription) -> None:
        """For the package's own use: see `Session.subscribe`."""
        self._inner = inner
        # Taken and not given yet, the next one last.
        self._taken: list[Update[Any]] = []

    def __iter__(self) -> Self:
        """The subscription itself."""
        return self

    def __next__(self) -> Update[Any]:
        """The next update; ends when the session or the subscription is closed."""
        return self.next()

    def next(self, timeout: float | None = None) -> Update[Any]:
        """The next update, waited for so many seconds at the most; `StopIteration` when there will be none."""
        while True:
            try:
                # Other threads may take it in between.
                return self._taken.pop()
            except IndexError:
                batch = self._batch(timeout)
                batch.reverse()
                self._taken[:0] = batch

    def batches(self) -> Iterator[list[Update[Any]]]:
        """Iterates over batches: all updates that are there at once."""
        while True:
            if self._taken:
                batch, self._taken = self._taken[::-1], []
            else:
                try:
                    batch = self._batch(None)
                except StopIteration:
                    return
            yield batch

    def _batch(self, timeout: float | None) -> list[Update[Any]]:
        while True:
            block(self._inner, timeout)
            with translated:
                taken = self._inner.take(BATCH)
            if taken is None:
                raise StopIteration
            batch = read_updates(taken)
            if batch:
                return batch

    def close(self) -> None:
        """Ends the subscription, and whoever iterates over it."""
        self._taken.clear()
        self._inner.end()

    def __enter__(self) -> Self:
        """The subscription itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the subscription."""
        self.close()
