"""What the library hands over, packed (`ffi/src/packed.rs`), as objects."""

from __future__ import annotations

import builtins
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast

from ._values import TYPES, ValueType, decode

T = TypeVar("T")

UpdateKind = Literal["value", "event", "gap", "removed"]
"""What happened to a topic: a value was set, an event was appended, events are missing, or the topic was removed."""

_KINDS: tuple[UpdateKind, ...] = ("value", "event", "gap", "removed")
_PREAMBLE = struct.Struct("<IHH")
_HEADER = struct.Struct("<BB?xHHIIQQQ")
_EPOCH_BYTES = 16


class _Unread:
    """Stands where a value has not been decoded yet."""


_UNREAD = _Unread()


@dataclass(slots=True)
class Update(Generic[T]):
    """One thing that happened to a topic.

    >>> session.set("prices/eurusd", {"bid": 1.0841}) > 0
    True
    >>> with session.subscribe("prices/*") as prices:
    ...     update = next(prices)
    >>> update.kind, update.path, update.value
    ('value', 'prices/eurusd', {'bid': 1.0841})
    """

    kind: UpdateKind
    """What happened."""
    path: str
    """The topic."""
    type: ValueType
    """The type of `value`."""
    bytes: builtins.bytes = field(repr=False)
    """The value or event as it was published; empty for others."""
    version: int
    """The position of the record that made the change."""
    sequence: int
    """Counts an event topic's events from 1; for a gap, the first event that is missing."""
    last: int
    """For a gap, the last event that is missing."""
    stale: bool
    """Whether there may be something newer: it was held while the gateway could not be heard of."""
    epoch: str
    """The life of the log that versions and sequence numbers belong to."""
    wire_bytes: int
    """How many bytes told of it."""
    _value: Any = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def value(self) -> T:
        """The value or event, `None` where there is none. JSON is parsed when it is first asked for."""
        if self._value is _UNREAD:
            self._value = decode(self.type, self.bytes) if self.kind in ("value", "event") else None
        return cast(T, self._value)


@dataclass(slots=True)
class FetchedItem(Generic[T]):
    """One value or event that was asked for."""

    path: str
    """The topic."""
    kind: Literal["value", "event"]
    """Whether it is a value, or an event of an event topic."""
    type: ValueType
    """The type of `value`."""
    bytes: builtins.bytes = field(repr=False)
    """The value or event as it was published."""
    version: int
    """Its version."""
    sequence: int
    """For events: counts from 1."""
    _value: Any = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def value(self) -> T:
        """The value or event. JSON is parsed when it is first asked for."""
        if self._value is _UNREAD:
            self._value = decode(self.type, self.bytes)
        return cast(T, self._value)


class Fetched(list[FetchedItem[T]]):
    """What a fetch gave: a list of items."""

    more: bool = False
    """Whether the limit kept more back."""


@dataclass(slots=True)
class Replica(Generic[T]):
    """A topic's newest value, as the session holds it."""

    path: str
    """The topic."""
    type: ValueType
    """The type of `value`."""
    bytes: builtins.bytes = field(repr=False)
    """The value as it was published."""
    version: int
    """Its version."""
    age: float
    """How many seconds ago it was received."""
    stale: bool
    """Whether the gateway can't be heard of now, so that there may be a newer one."""
    _value: Any = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def value(self) -> T:
        """The value. JSON is parsed when it is first asked for."""
        if self._value is _UNREAD:
            self._value = decode(self.type, self.bytes)
        return cast(T, self._value)


def read_updates(buffer: bytes) -> list[Update[Any]]:
    """A batch of updates."""
    count, epoch_count, _more = _PREAMBLE.unpack_from(buffer)
    headers = _PREAMBLE.size + epoch_count * _EPOCH_BYTES
    epochs = [buffer[at : at + _EPOCH_BYTES].hex() for at in range(_PREAMBLE.size, headers, _EPOCH_BYTES)]
    at = headers + count * _HEADER.size
    updates: list[Update[Any]] = []
    append = updates.append
    # The hot loop of the package: nothing in it is looked up that need not be.
    for (
        kind,
        value_type,
        stale,
        epoch,
        path_length,
        length,
        wire_bytes,
        version,
        sequence,
        extent,
    ) in _HEADER.iter_unpack(memoryview(buffer)[headers:at]):
        value_at = at + path_length
        end = value_at + length
        append(
            Update(
                _KINDS[kind],
                buffer[at:value_at].decode(),
                TYPES[value_type],
                buffer[value_at:end],
                version,
                sequence,
                extent,
                stale,
                epochs[epoch],
                wire_bytes,
            )
        )
        at = end
    return updates


def read_items(buffer: bytes) -> Fetched[Any]:
    """What a fetch gave."""
    items: Fetched[Any] = Fetched()
    for header, path, data in _records(buffer):
        kind: Literal["value", "event"] = "event" if header[0] == 1 else "value"
        items.append(FetchedItem(path, kind, TYPES[header[1]], data, header[7], header[8]))
    items.more = _PREAMBLE.unpack_from(buffer)[2] != 0
    return items


def read_replicas(buffer: bytes) -> list[Replica[Any]]:
    """Replicas."""
    return [
        Replica(path, TYPES[header[1]], data, header[7], header[9] / 1e6, header[2]) for header, path, data in _records(buffer)
    ]


def _records(buffer: bytes) -> Iterator[tuple[tuple[Any, ...], str, bytes]]:
    count, epoch_count, _more = _PREAMBLE.unpack_from(buffer)
    headers = _PREAMBLE.size + epoch_count * _EPOCH_BYTES
    at = headers + count * _HEADER.size
    for header in _HEADER.iter_unpack(memoryview(buffer)[headers:at]):
        value_at = at + header[4]
        end = value_at + header[5]
        yield header, buffer[at:value_at].decode(), buffer[value_at:end]
        at = end
