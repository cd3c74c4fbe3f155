"""The session, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _core, _credentials, _ffi
from ._connection import ConnectionState, Resumption, resumption_of, state_of
from ._errors import OutpourError, translated
from ._options import ConnectOptions, HistoryStart, provider_of
from ._pulling import Answer, AsyncPulled
from ._records import Fetched, Replica
from ._subscription import Subscription
from ._values import FFI_TYPES, ValueType, value_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

FLUSH = 5.0
"""For how many seconds closing waits for verdicts, unless told otherwise."""


def connect(url: str | Sequence[str], **options: Unpack[ConnectOptions]) -> Connecting:
    """Connects to the gateway at a `ws://` or `wss://` address, or the first of several that can be reached.

    Use it by `async with`, which closes the session, or `await` it:

    ```python
    async with outpour.connect("ws://127.0.0.1:7400") as session:
        async for update in session.subscribe("prices/**"):
            print(update.path, update.value)
    ```

    It fails if the first attempt does; `start` keeps trying instead. From then on the session stays connected as well as it
    can.
    """
    return Connecting(url, options)


def start(url: str | Sequence[str], **options: Unpack[ConnectOptions]) -> Session:
    """Makes a session without waiting for a gateway: it connects when there is one.

    With a `store` that has values of the last time, these are there at once.
    """
    session = Session(_core.start(url, options))
    provider = provider_of(options)
    if provider is not None:
        session._provide(provider)
    return session


class Connecting:
    """A session to be: `await` it, or enter it by `async with`."""

    def __init__(self, url: str | Sequence[str], options: ConnectOptions) -> None:
        """For the package's own use: see `connect`."""
        self._url = url
        self._options = options
        self._session: Session | None = None

    def __await__(self) -> Generator[Any, None, Session]:
        """Connects."""
        return self._connect().__await__()

    async def __aenter__(self) -> Session:
        """Connects."""
        self._session = await self._connect()
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes."""
        if self._session is not None:
            await self._session.close()

    async def _connect(self) -> Session:
        session = start(self._url, **self._options)
        try:
            await session._requests.connected().awaited()
        except BaseException:
            # It would go on trying.
            await session.close(0)
            raise
        return session


class Session(_core.SessionBase):
    """A conversation with a gateway, across any number of connections. Made by `connect` or `start`.

    Everything may be called at any time, connected or not, in any event loop. Requests are made in the order of the calls;
    cancelling one ends the wait for its answer, and a publish that has been sent may be made all the same.
    """

    _provides: asyncio.Task[None] | None = None

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

    async def set(self, path: str, value: object, *, if_version: int | None = None, if_absent: bool = False) -> int:
        """Sets a value topic, creating it if need be, and returns its version.

        Values are JSON unless they are `bytes` or a `Value`. With a condition, it is done only if the topic's version is still
        `if_version`, or there is no such topic.
        """
        return await self._requests.value(path, _ffi.Change.SET, value, if_version, if_absent).awaited()

    async def append(self, path: str, event: object, *, if_version: int | None = None, if_absent: bool = False) -> int:
        """Appends an event to an event topic, creating it if need be, and returns its version."""
        return await self._requests.value(path, _ffi.Change.APPEND, event, if_version, if_absent).awaited()

    async def patch(self, path: str, patch: object, *, if_version: int | None = None) -> int:
        """Changes a JSON value by a merge patch (RFC 7386): members that are `None` are taken out."""
        return await self._requests.patch(path, _ffi.Change.MERGE_PATCH, patch, if_version, False).awaited()

    async def json_patch(self, path: str, operations: Sequence[dict[str, Any]], *, if_version: int | None = None) -> int:
        """Changes a JSON value by a JSON Patch (RFC 6902): a list of operations."""
        return await self._requests.patch(path, _ffi.Change.JSON_PATCH, operations, if_version, False).awaited()

    async def remove(self, path: str, *, if_version: int | None = None) -> int:
        """Removes a topic."""
        return await self._requests.publish(path, _ffi.Change.REMOVE, if_version, False).awaited()

    async def create(
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
    ) -> int:
        """Creates a topic with properties other than the gateway's rules give it.

        `retain`: whether someone who subscribes later is told the current value. `conflate`: whether a slow subscriber may be
        told fewer, newer values. `history`: how many past events are kept at the most, and `history_age` for how many seconds,
        0 for no limit.
        """
        request = self._requests.create(path, kind, type, retain, conflate, history, history_age, if_absent)
        return await request.awaited()

    def update_stream(self, path: str) -> UpdateStream:
        """Opens a stream of values for one topic, of which only what changed is sent."""
        return UpdateStream(path, self._requests.update_stream(path))

    async def get(self, path: str) -> Replica[Any] | None:
        """The current value of a topic: the replica if it is live, else the gateway's; `None` if there is none."""
        return await self._requests.get(path).awaited()

    async def fetch(self, selector: str, *, limit: int = 1000) -> Fetched[Any]:
        """The current values of the topics that match, asked of the gateway."""
        return await self._requests.fetch(selector, None, limit).awaited()

    async def fetch_events(self, selector: str, from_: HistoryStart = "all", *, limit: int = 1000) -> Fetched[Any]:
        """Past events of the topics that match, as far as the gateway keeps them; of each topic, oldest first."""
        return await self._requests.fetch(selector, from_, limit).awaited()

    def connection_states(self) -> AsyncIterator[ConnectionState]:
        """The states of the connection as they change, beginning with the current one, and ending when the session is over.

        States that come and go while nobody looks are skipped.
        """
        with translated:
            return AsyncPulled(self._inner.connection_states(), state_of)

    def resumptions(self) -> AsyncIterator[Resumption]:
        """What comes of each return from a lost connection, from now on."""
        with translated:
            return AsyncPulled(self._inner.resumptions(), resumption_of)

    async def closed(self) -> OutpourError | None:
        """Waits until the session is over, and returns why: `None` after `close()`."""
        async for state in self.connection_states():
            if state.state == "closed":
                return state.error
        return None

    async def close(self, flush: float = FLUSH) -> None:
        """Ends the session in order: waits up to `flush` seconds for the verdicts on what was published, and says goodbye.

        It is ended even if this is cancelled.
        """
        await self._requests.close(flush).awaited()
        provides, self._provides = self._provides, None
        if provides is not None:
            # Cancelling it may be too late for what it does in a thread, which ends by itself.
            provides.cancel()

    async def __aenter__(self) -> Self:
        """The session itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes."""
        await self.close()

    def _provide(self, provider: Any) -> None:
        questions = self._inner.credentials_questions()
        if questions is not None:
            self._provides = asyncio.get_running_loop().create_task(_credentials.provide(questions, provider))


class UpdateStream:
    """A stream of values for one topic, of which only what changed is sent. Made by `Session.update_stream`."""

    def __init__(self, path: str, inner: _ffi.UpdateStream) -> None:
        """For the package's own use."""
        self.path = path
        """The topic."""
        self._inner = inner

    async def set(self, value: object, *, if_version: int | None = None, if_absent: bool = False) -> int:
        """Sets the topic, and returns its version. If somebody else has set it meanwhile, the whole value is sent."""
        return await stream_set(self._inner, value, if_version, if_absent).awaited()

    def close(self) -> None:
        """Ends the stream. What is on its way is still settled."""
        self._inner.end()

    def __enter__(self) -> Self:
        """The stream itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the stream."""
        self.close()


def stream_set(inner: _ffi.UpdateStream, value: object, if_version: int | None, if_absent: bool) -> Answer[int]:
    """The request of `UpdateStream.set`."""
    settled = value_of(value)
    with translated:
        call = inner.set(FFI_TYPES[settled.type], settled.bytes, _core.condition_of(if_version, if_absent))
    return Answer(call, _core.version_of)
