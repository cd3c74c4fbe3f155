"""Waiting for what the library has, in a task or a thread, without losing anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from . import _ffi
from ._errors import translated

T = TypeVar("T")

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
