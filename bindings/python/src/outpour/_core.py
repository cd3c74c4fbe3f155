"""A session of the library, with what every kind of session does alike: the requests, and what needs no waiting."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Sequence
from typing import Any, Literal

from . import _ffi, _log
from ._connection import ConnectionState, Statistics, state_of, statistics_of
from ._errors import translated
from ._options import ConnectOptions, HistoryStart, history_of, milliseconds, options_of
from ._pulling import Answer
from ._records import Fetched, Replica, read_items, read_replicas
from ._values import FFI_TYPES, Value, ValueType, encode_json, value_of

_open: weakref.WeakSet[_ffi.Session] = weakref.WeakSet()

# How long a session may take to end with the interpreter.
_EXIT_MS = 2000

_KINDS = {"value": _ffi.TopicKind.VALUE, "event": _ffi.TopicKind.EVENT}


def start(url: str | Sequence[str], options: ConnectOptions) -> _ffi.Session:
    """Makes a session of the library."""
    _log.forward()
    settled = options_of(url, options)
    with translated:
        session = _ffi.Session.start(settled)
    _open.add(session)
    return session


@atexit.register
def _close_all() -> None:
    # Nothing of the library may call into an interpreter that is no more.
    for call in [session.disconnect(0) for session in list(_open)]:
        call.wait(_EXIT_MS)
    _log.stop()


# The sessions of a parent are none of its child's.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)


def condition_of(if_version: int | None, if_absent: bool) -> Any:
    """The condition of a publish."""
    if if_absent:
        if if_version is not None:
            raise ValueError("give if_version or if_absent, not both")
        return _ffi.Condition.IF_ABSENT()
    return None if if_version is None else _ffi.Condition.IF_VERSION(version=if_version)


def version_of(answer: bytes) -> int:
    """The answer to a publish."""
    return int.from_bytes(answer, "little")


class Requests:
    """The requests of a session: made at once, in the order of the calls, and answered later."""

    __slots__ = ("inner",)

    def __init__(self, inner: _ffi.Session) -> None:
        """The session that they are made of."""
        self.inner = inner

    def value(self, path: str, change: _ffi.Change, value: object, if_version: int | None, if_absent: bool) -> Answer[int]:
        """A change that has a value."""
        settled = value_of(value)
        return self.publish(path, change, if_version, if_absent, settled.bytes, FFI_TYPES[settled.type])

    def patch(self, path: str, change: _ffi.Change, patch: object, if_version: int | None, if_absent: bool) -> Answer[int]:
        """A change that is a patch, which is JSON."""
        text = patch.bytes if isinstance(patch, Value) else encode_json(patch)
        return self.publish(path, change, if_version, if_absent, text)

    def publish(
        self,
        path: str,
        change: _ffi.Change,
        if_version: int | None,
        if_absent: bool,
        data: bytes | None = None,
        value_type: _ffi.ValueType | None = None,
    ) -> Answer[int]:
        """A change."""
        condition = condition_of(if_version, if_absent)
        publication = _ffi.Publication(path=path, change=change, value_type=value_type, value=data, condition=condition)
        with translated:
            return Answer(self.inner.publish(publication), version_of)

    def create(
        self,
        path: str,
        kind: Literal["value", "event"],
        value_type: ValueType,
        retain: bool,
        conflate: bool,
        history: int,
        history_age: float,
        if_absent: bool,
    ) -> Answer[int]:
        """A new topic."""
        if kind not in _KINDS:
            raise ValueError(f"a topic is of kind 'value' or 'event', not {kind!r}")
        if value_type not in FFI_TYPES:
            raise ValueError(f"a type is one of {', '.join(FFI_TYPES)}, not {value_type!r}")
        properties = _ffi.TopicProperties(
            kind=_KINDS[kind],
            value_type=FFI_TYPES[value_type],
            retain=retain,
            conflate=conflate,
            history=history,
            history_age_ms=milliseconds(history_age) or 0,
        )
        with translated:
            return Answer(self.inner.create(path, properties, condition_of(None, if_absent)), version_of)

    def get(self, path: str) -> Answer[Replica[Any] | None]:
        """The current value of a topic."""
        with translated:
            return Answer(self.inner.get(path), lambda answer: next(iter(read_replicas(answer)), None))

    def fetch(self, selector: str, from_: HistoryStart | None, limit: int) -> Answer[Fetched[Any]]:
        """Current values, or past events."""
        history = None if from_ is None else history_of(from_)
        with translated:
            return Answer(self.inner.fetch(selector, history, limit), read_items)

    def subscribe(
        self,
        selector: str,
        max_rate: float | None,
        from_: HistoryStart,
        mailbox_count: int | None,
        mailbox_bytes: int | None,
    ) -> _ffi.Subscription:
        """Interest in topics."""
        options = _ffi.SubscribeOptions(
            max_rate=max_rate, _from=history_of(from_), mailbox_count=mailbox_count, mailbox_bytes=mailbox_bytes
        )
        with translated:
            return self.inner.subscribe(selector, options)

    def update_stream(self, path: str) -> _ffi.UpdateStream:
        """A stream of values for one topic."""
        with translated:
            return self.inner.update_stream(path)

    def connected(self) -> Answer[None]:
        """Answered when the session is live, or the attempt has failed."""
        with translated:
            return Answer(self.inner.connected(), lambda _: None)

    def close(self, flush: float) -> Answer[None]:
        """Answered when the session is over."""
        with translated:
            return Answer(self.inner.disconnect(milliseconds(flush) or 0), lambda _: None)


class SessionBase:
    """What a session can do without waiting."""

    def __init__(self, inner: _ffi.Session) -> None:
        """For the package's own use: sessions are made by `connect` and `start`."""
        self._requests = Requests(inner)
        self._inner = inner

    @property
    def connection(self) -> ConnectionState:
        """Where the connection stands."""
        with translated:
            return state_of(self._inner.connection())

    def replica(self, path: str) -> Replica[Any] | None:
        """The newest value of a topic that is subscribed to, at once; `None` if there is none."""
        with translated:
            return next(iter(read_replicas(self._inner.replica(path))), None)

    def replicas(self, selector: str = "**") -> list[Replica[Any]]:
        """The newest values of the topics that match and are subscribed to, in the order of their paths."""
        with translated:
            return read_replicas(self._inner.replicas(selector))

    def statistics(self) -> Statistics:
        """What has been counted since the session began."""
        with translated:
            return statistics_of(self._inner.statistics())

    def ping(self) -> None:
        """Asks the gateway for a sign of life, so that `statistics()` knows the round trip."""
        with translated:
            self._inner.ping()

    def suspend(self) -> None:
        """The application is about to be suspended: sends what is due, says goodbye, and sleeps until `resume()`."""
        with translated:
            self._inner.suspend()

    def resume(self) -> None:
        """The application runs again: connects at once, or looks whether the connection is still there."""
        with translated:
            self._inner.resume()

    def network_up(self) -> None:
        """A hint: there is a network, perhaps another one."""
        with translated:
            self._inner.network_up()

    def network_down(self) -> None:
        """A hint: there may be no network."""
        with translated:
            self._inner.network_down()

    def __repr__(self) -> str:
        """Where it stands."""
        try:
            return f"<outpour session, {self.connection.state}>"
        except Exception as error:
            return f"<outpour session: {error}>"
