"""Waiting for what the library has, in a task or a thread, without losing anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from . import _ffi
from ._errors import translated

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# The main thread hears of Ctrl-C only between calls of the library.
_SLICE_MS = 100
_LONG_MS = 3_600_000


class Pending(Protocol):
    """Whatever can be waited for."""

    def wait(self, milliseconds: int) -> bool:
        """Blocks for so long at the most."""


def block(pending: Pending, timeout: float | None = None) -> None:
    """Blocks the thread until there is something to take."""
    slice_ms = _SLICE_MS if threading.current_thread() is threading.main_thread() else _LONG_MS
    if timeout is None:
        while not pending.wait(slice_ms):
            pass
        return
    deadline = time.monotonic() + timeout
    while not pending.wait(max(0, min(slice_ms, round((deadline - time.monotonic()) * 1000)))):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout} s")


class Feed(Pending, Protocol[R_co]):
    """Whatever gives one thing after the other."""

    async def ready(self) -> None:
        """Waits until there is something to take, or it is over."""

    def take(self) -> R_co | None:
        """What there is."""

    def is_over(self) -> bool:
        """Whether nothing will come."""


class AsyncPulled(Generic[T]):
    """Iterates over a feed in a task."""

    __slots__ = ("_feed", "_read")

    def __init__(self, feed: Feed[R], read: Callable[[R], T]) -> None:
        """The feed, and what each thing of it means."""
        self._feed: Feed[Any] = feed
        self._read: Callable[[Any], T] = read

    def __aiter__(self) -> AsyncPulled[T]:
        """Itself."""
        return self

    async def __anext__(self) -> T:
        """The next one."""
        while not self._feed.is_over():
            await self._feed.ready()
            taken = self._feed.take()
            if taken is not None:
                return self._read(taken)
        raise StopAsyncIteration


class Pulled(Generic[T]):
    """Iterates over a feed in a thread."""

    __slots__ = ("_feed", "_read")

    def __init__(self, feed: Feed[R], read: Callable[[R], T]) -> None:
        """The feed, and what each thing of it means."""
        self._feed: Feed[Any] = feed
        self._read: Callable[[Any], T] = read

    def __iter__(self) -> Pulled[T]:
        """Itself."""
        return self

    def __next__(self) -> T:
        """The next one."""
        while not self._feed.is_over():
            block(self._feed)
            taken = self._feed.take()
            if taken is not None:
                return self._read(taken)
        raise StopIteration


class Answer(Generic[T]):
    """A call on its way, and what its answer means."""

    __slots__ = ("_call", "_read")

    def __init__(self, call: _ffi.Call, read: Callable[[bytes], T]) -> None:
        """The request is made already."""
        self._call = call
        self._read = read

    async def awaited(self) -> T:
        """Waits in a task. Whoever cancels it gives up the answer, and a publish that still waits for room."""
        try:
            await self._call.ready()
        except BaseException:
            self._call.end()
            raise
        return self._taken()

    def blocked(self, timeout: float | None) -> T:
        """Waits in a thread."""
        try:
            block(self._call, timeout)
        except BaseException:
            self._call.end()
            raise
        return self._taken()

    def _taken(self) -> T:
        with translated:
            answer = self._call.take()
        return self._read(answer)
