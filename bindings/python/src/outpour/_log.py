"""The library's log, for `logging`: loggers named `outpour` and below."""

from __future__ import annotations

import logging
import os
import threading

from . import _ffi

_LEVELS = {
    _ffi.LogLevel.ERROR: logging.ERROR,
    _ffi.LogLevel.WARN: logging.WARNING,
    _ffi.LogLevel.INFO: logging.INFO,
    _ffi.LogLevel.DEBUG: logging.DEBUG,
}
_SLICE_MS = 3_600_000

_lock = threading.Lock()
_running: tuple[_ffi.Log, threading.Thread] | None = None


def forward() -> None:
    """Hands on what the library says, from now on until the interpreter ends."""
    global _running
    with _lock:
        if _running is None:
            log = _ffi.Log()
            thread = threading.Thread(target=_forward, args=(log,), name="outpour-log", daemon=True)
            thread.start()
            _running = (log, thread)


def stop() -> None:
    """Ends that, when everything has been handed on."""
    global _running
    with _lock:
        running, _running = _running, None
    if running is not None:
        log, thread = running
        log.end()
        thread.join()


def _begin_again() -> None:
    # A child of a fork has no threads.
    global _lock, _running
    _lock = threading.Lock()
    _running = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)


def _forward(log: _ffi.Log) -> None:
    while not log.is_over():
        log.wait(_SLICE_MS)
        for record in log.take():
            logging.getLogger(record.target.replace("::", ".")).log(_LEVELS[record.level], "%s", record.message)
