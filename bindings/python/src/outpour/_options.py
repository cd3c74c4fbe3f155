"""What goes in."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from . import _ffi

Credentials = str | bytes
"""Credentials: usually a token."""

CredentialsProvider = Callable[[bool], Credentials | Awaitable[Credentials]]
"""Gives credentials when they are needed: before the first connection, and again when a gateway does not take them any more.
It is told whether the last ones had expired, so that a cache must not give them out again. It may be a coroutine function;
if it is not, it is called in a thread of its own, so that it may block."""


class ConnectOptions(TypedDict, total=False):
    """How a session is set up: keywords of `connect` and `start`. Everything is optional.

    >>> with outpour.sync.connect(url, agent="a-dashboard/1.2", queue_count=100, when_full="error") as session:
    ...     print(session.connection.state)
    connected
    """

    credentials: Credentials | CredentialsProvider | None
    """Who the client is to the gateway: a token, or a function that gets one."""
    agent: str | None
    """What the client is, for the gateway's logs: at the most 1,024 bytes."""
    reconnect: bool
    """Whether to connect again after a lost connection: yes."""
    connect_timeout: float | None
    """How many seconds one attempt may take, the gateway's welcome included: 10."""
    backoff: tuple[float, float] | None
    """The waits between attempts: each drawn evenly from zero up to a limit, which is the first of these, doubles with every
    attempt, and ends at the second; in seconds. (0.25, 20)."""
    max_message: int | None
    """The largest message taken, in bytes: 4 KiB to 64 MiB. 32 MiB."""
    queue_count: int | None
    """How many publishes may wait for their verdict: 10,000."""
    queue_bytes: int | None
    """How many bytes their values may have: 16 MiB."""
    when_full: Literal["wait", "drop_oldest", "error"]
    """What becomes of a publish past that: the caller waits, the oldest unsent one is dropped, or it fails. `wait`."""
    follow_redirects: bool
    """Whether a gateway may send the session to hosts that are not among those given: no."""
    store: str | os.PathLike[str] | None
    """A file that keeps replicas over restarts, for a warm start: the next session with it has the last values at once, marked
    stale, and is then told only what has changed. One session at a time may use it."""
    store_bytes: int | None
    """The most bytes that it may take: 64 MiB."""
    root_certificates: Sequence[bytes]
    """More certificate authorities to trust for `wss://`: certificates in DER form."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest past events of each topic, this many at the most."""

    count: int
    """How many."""


@dataclass(frozen=True, slots=True)
class After:
    """The events after the one with this version."""

    version: int
    """The version."""


HistoryStart = Literal["live", "all"] | Last | After
"""From which past event on an event topic is told: only events to come, all that the gateway keeps, or some."""

_WHEN_FULL = {
    "wait": _ffi.WhenFull.WAIT,
    "drop_oldest": _ffi.WhenFull.DROP_OLDEST,
    "error": _ffi.WhenFull.ERROR,
}


def history_of(start: HistoryStart) -> Any:
    """The start as the library has it."""
    if isinstance(start, Last):
        return _ffi.HistoryStart.LAST(count=start.count)
    if isinstance(start, After):
        return _ffi.HistoryStart.AFTER(version=start.version)
    if start == "live":
        return _ffi.HistoryStart.LIVE()
    if start == "all":
        return _ffi.HistoryStart.ALL()
    raise ValueError(f"a start is 'live', 'all', Last(…) or After(…), not {start!r}")


def options_of(url: str | Sequence[str], options: ConnectOptions) -> _ffi.Options:
    """The options as the library has them."""
    unknown = options.keys() - ConnectOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    credentials = options.get("credentials")
    given = credentials.encode() if isinstance(credentials, str) else credentials
    base, cap = options.get("backoff") or (None, None)
    when_full = options.get("when_full", "wait")
    if when_full not in _WHEN_FULL:
        raise ValueError(f"when_full is one of {', '.join(_WHEN_FULL)}, not {when_full!r}")
    store = options.get("store")
    return _ffi.Options(
        urls=[url] if isinstance(url, str) else list(url),
        agent=options.get("agent"),
        credentials=given if isinstance(given, bytes) else None,
        asks_credentials=callable(given),
        reconnect=options.get("reconnect", True),
        connect_timeout_ms=milliseconds(options.get("connect_timeout")),
        backoff_base_ms=milliseconds(base),
        backoff_cap_ms=milliseconds(cap),
        max_message=options.get("max_message"),
        queue_count=options.get("queue_count"),
        queue_bytes=options.get("queue_bytes"),
        when_full=_WHEN_FULL[when_full],
        follow_redirects=options.get("follow_redirects", False),
        store=None if store is None else os.fspath(store),
        store_bytes=options.get("store_bytes"),
        root_certificates=list(options.get("root_certificates", ())),
    )


def provider_of(options: ConnectOptions) -> CredentialsProvider | None:
    """What provides credentials, if something does."""
    credentials = options.get("credentials")
    if credentials is None or isinstance(credentials, str | bytes):
        return None
    if not callable(credentials):
        raise TypeError(f"credentials are a str, bytes or a function, not {type(credentials).__name__}")
    return credentials


def milliseconds(seconds: float | None) -> int | None:
    """Seconds as the library counts them."""
    if seconds is None:
        return None
    if not seconds >= 0 or seconds == float("inf"):
        raise ValueError(f"a time is a number of seconds, not {seconds!r}")
    return round(seconds * 1000)
