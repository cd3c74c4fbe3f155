"""The session, for threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .. import _core, _credentials, _ffi
from .._connection import ConnectionState, Resumption, resumption_of, state_of
from .._errors import OutpourError, translated
from .._options import ConnectOptions, CredentialsProvider, HistoryStart, provider_of
from .._pulling import Pulled
from .._records import Fetched, Replica
from .._session import FLUSH, stream_set
from .._values import ValueType
from ._subscription import Subscription

if TYPE_CHECKING:
    import threading

    from typing_extensions import Self, Unpack


def connect(url: str | Sequence[str], **options: Unpack[ConnectOptions]) -> Session:
    """Connects to the gateway at a `ws://` or `wss://` address, or the first of several that can be reached.

    It fails if the first attempt does; `start` keeps trying instead. From then on the session stays connected as well as it
    can. Use it by `with`, which closes it.
    """
    session = start(url, **options)
    try:
        session._requests.connected().blocked(None)
    except BaseException:
        # It would go on trying.
        session.close(0)
        raise
    return session


def start(url: str | Sequence[str], **options: Unpack[ConnectOptions]) -> Session:
    """Makes a session without waiting for a gateway: it connects when there is one.

    With a `store` that has values of the last time, these are there at once.
    """
    session = Session(_core.start(url, options))
    provider = provider_of(options)
    if provider is not None:
        session._provide(provider)
    return session


class Session(_core.SessionBase):
    """A conversation with a gateway, across any number of connections. Made by `connect` or `start`.

    Everything may be called at any time, connected or not, by any thread. Requests are made in the order of the calls.
    """

    _provides: threading.Thread | None = None

    def subscribe(
        self,
        selector: str,
        *,
        max_rate: float | None = None,
        from_: HistoryStart = "live",
        mailbox_count: int | None = None,
        mailbox_bytes: int | None = None,
    ) -> Subscription:
        """Subscribes to the topics that match, those to come as well.

        `*` stands for one segment of a path, `**` for any number. `max_rate` is the most updates per topic and second, and
        `from_` says which past events of event topics are told. Of a slow application, `mailbox_count` updates of
        `mailbox_bytes` bytes wait (1,024 of 4 MiB unless told otherwise): past that, newer values replace older ones, and of
        events it is told which ones it misses.
        """
        return Subscription(self._requests.subscribe(selector, max_rate, from_, mailbox_count, mailbox_bytes))

    def set(
        self,
        path: str,
        value: object,
        *,
        if_version: int | None = None,
        if_absent: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Sets a value topic, creating it if need be, and returns its version.

        Values are JSON unless they are `bytes` or a `Value`. With a condition, it is done only if the topic's version is still
        `if_version`, or there is no such topic.

        >>> version = session.set("lamps/hall", {"on": False})
        >>> session.set("lamps/hall", {"on": True}, if_version=version) > version
        True
        """
        return self._requests.value(path, _ffi.Change.SET, value, if_version, if_absent).blocked(timeout)

    def append(
        self,
        path: str,
        event: object,
        *,
        if_version: int | None = None,
        if_absent: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Appends an event to an event topic, creating it if need be, and returns its version.

        >>> session.append("orders", {"lots": 7}) > 0
        True
        """
        return self._requests.value(path, _ffi.Change.APPEND, event, if_version, if_absent).blocked(timeout)

    def patch(self, path: str, patch: object, *, if_version: int | None = None, timeout: float | None = None) -> int:
        """Changes a JSON value by a merge patch (RFC 7386): members that are `None` are taken out.

        >>> session.set("lamps/hall", {"on": False, "watts": 7}) > 0
        True
        >>> session.patch("lamps/hall", {"on": True}) > 0
        True
        >>> session.get("lamps/hall").value
        {'on': True, 'watts': 7}
        """
        return self._requests.patch(path, _ffi.Change.MERGE_PATCH, patch, if_version, False).blocked(timeout)

    def json_patch(
        self,
        path: str,
        operations: Sequence[dict[str, Any]],
        *,
        if_version: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Changes a JSON value by a JSON Patch (RFC 6902): a list of operations.

        >>> session.set("lamps/hall", {"on": False}) > 0
        True
        >>> session.json_patch("lamps/hall", [{"op": "replace", "path": "/on", "value": True}]) > 0
        True
        """
        return self._requests.patch(path, _ffi.Change.JSON_PATCH, operations, if_version, False).blocked(timeout)

    def remove(self, path: str, *, if_version: int | None = None, timeout: float | None = None) -> int:
        """Removes a topic."""
        return self._requests.publish(path, _ffi.Change.REMOVE, if_version, False).blocked(timeout)

    def create(
        self,
        path: str,
        *,
        kind: Literal["value", "event"] = "value",
        type: ValueType = "json",
        retain: bool = True,
        conflate: bool = True,
        history: int = 100,
        history_age: float = 0,
        if_absent: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Creates a topic with properties other than the gateway's rules give it.

        `retain`: whether someone who subscribes later is told the current value. `conflate`: whether a slow subscriber may be
        told fewer, newer values. `history`: how many past events are kept at the most, and `history_age` for how many seconds,
        0 for no limit.
        """
        request = self._requests.create(path, kind, type, retain, conflate, history, history_age, if_absent)
        return request.blocked(timeout)

    def update_stream(self, path: str) -> UpdateStream:
        """Opens a stream of values for one topic, of which only what changed is sent.

        >>> with session.update_stream("documents/7") as document:
        ...     first = document.set("It was a dark night.")
        ...     second = document.set("It was a dark and stormy night.")
        """
        return UpdateStream(path, self._requests.update_stream(path))

    def get(self, path: str, *, timeout: float | None = None) -> Replica[Any] | None:
        """The current value of a topic: the replica if it is live, else the gateway's; `None` if there is none.

        >>> session.get("nothing/here") is None
        True
        """
        return self._requests.get(path).blocked(timeout)

    def fetch(self, selector: str, *, limit: int = 1000, timeout: float | None = None) -> Fetched[Any]:
        """The current values of the topics that match, asked of the gateway."""
        return self._requests.fetch(selector, None, limit).blocked(timeout)

    def fetch_events(
        self, selector: str, from_: HistoryStart = "all", *, limit: int = 1000, timeout: float | None = None
    ) -> Fetched[Any]:
        """Past events of the topics that match, as far as the gateway keeps them; of each topic, oldest first.

        >>> session.append("orders", {"lots": 7}) > 0
        True
        >>> [order.value for order in session.fetch_events("orders", outpour.Last(1))]
        [{'lots': 7}]
        """
        return self._requests.fetch(selector, from_, limit).blocked(timeout)

    def connection_states(self) -> Iterator[ConnectionState]:
        """The states of the connection as they change, beginning with the current one, and ending when the session is over.

        States that come and go while nobody looks are skipped.
        """
        with translated:
            return Pulled(self._inner.connection_states(), state_of)

    def resumptions(self) -> Iterator[Resumption]:
        """What comes of each return from a lost connection, from now on."""
        with translated:
            return Pulled(self._inner.resumptions(), resumption_of)

    def closed(self) -> OutpourError | None:
        """Waits until the session is over, and returns why: `None` after `close()`."""
        for state in self.connection_states():
            if state.state == "closed":
                return state.error
        return None

    def close(self, flush: float = FLUSH) -> None:
        """Ends the session in order: waits up to `flush` seconds for the verdicts on what was published, and says goodbye."""
        self._requests.close(flush).blocked(None)
        self._provides = None

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes."""
        self.close()

    def _provide(self, provider: CredentialsProvider) -> None:
        questions = self._inner.credentials_questions()
        if questions is not None:
            self._provides = _credentials.provide_in_thread(questions, provider)


class UpdateStream:
    """A stream of values for one topic, of which only what changed is sent. Made by `Session.update_stream`."""

    def __init__(self, path: str, inner: _ffi.UpdateStream) -> None:
        """For the package's own use."""
        self.path = path
        """The topic."""
        self._inner = inner

    def set(self, value: object, *, if_version: int | None = None, if_absent: bool = False, timeout: float | None = None) -> int:
        """Sets the topic, and returns its version. If somebody else has set it meanwhile, the whole value is sent."""
        return stream_set(self._inner, value, if_version, if_absent).blocked(timeout)

    def close(self) -> None:
        """Ends the stream. What is on its way is still settled."""
        self._inner.end()

    def __enter__(self) -> Self:
        """The stream itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the stream."""
        self.close()
