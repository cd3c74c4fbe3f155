"""Values: bytes with a declared type."""

from __future__ import annotations

import builtins
import json
import struct
from typing import Any, Literal

from . import _ffi
from ._errors import bad_value

ValueType = Literal["json", "text", "binary", "int64", "double"]
"""The type of a topic's values."""

TYPES: tuple[ValueType, ...] = ("json", "text", "binary", "int64", "double")
"""In the order of their codes."""

FFI_TYPES: dict[ValueType, _ffi.ValueType] = dict(zip(TYPES, _ffi.ValueType, strict=True))

_INT64 = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")


class Value:
    """A value of a declared type, for topics that are not JSON.

    What is published without it is JSON, except `bytes`, which are `binary`.

    >>> from outpour import Value
    >>> session.set("notes/today", Value.text("Rain until noon.")) > 0
    True
    >>> session.set("counters/visits", Value.int64(42)) > 0
    True
    >>> session.get("notes/today").value, session.get("counters/visits").value
    ('Rain until noon.', 42)
    """

    __slots__ = ("bytes", "type")

    type: ValueType
    """The type."""
    bytes: builtins.bytes
    """The value as it is sent."""

    def __init__(self, type: ValueType, bytes: builtins.bytes) -> None:
        """The bytes of a value, as they are sent."""
        if type not in TYPES:
            raise ValueError(f"a type is one of {', '.join(TYPES)}, not {type!r}")
        self.type = type
        self.bytes = builtins.bytes(bytes)

    @staticmethod
    def json(text: str | builtins.bytes) -> Value:
        """JSON text, sent as it stands."""
        return Value("json", _utf8(text) if isinstance(text, str) else text)

    @staticmethod
    def text(text: str) -> Value:
        """Text."""
        return Value("text", _utf8(text))

    @staticmethod
    def binary(data: builtins.bytes | bytearray | memoryview) -> Value:
        """Bytes."""
        return Value("binary", builtins.bytes(data))

    @staticmethod
    def int64(number: int) -> Value:
        """A signed integer of 64 bits."""
        try:
            return Value("int64", _INT64.pack(number))
        except struct.error as error:
            raise bad_value(f"{number!r} is no integer of 64 bits.") from error

    @staticmethod
    def double(number: float) -> Value:
        """A floating-point number of 64 bits."""
        try:
            return Value("double", _DOUBLE.pack(number))
        except (struct.error, OverflowError) as error:
            raise bad_value(f"{number!r} is no floating-point number of 64 bits.") from error

    def __eq__(self, other: object) -> bool:
        """Whether type and bytes are the same."""
        return isinstance(other, Value) and (self.type, self.bytes) == (other.type, other.bytes)

    def __hash__(self) -> int:
        """Of type and bytes."""
        return hash((self.type, self.bytes))

    def __repr__(self) -> str:
        """Type and bytes."""
        return f"Value({self.type!r}, {self.bytes!r})"


def value_of(value: object) -> Value:
    """What the caller wants to publish."""
    if isinstance(value, Value):
        return value
    if isinstance(value, builtins.bytes | bytearray | memoryview):
        return Value("binary", builtins.bytes(value))
    return Value("json", encode_json(value))


def encode_json(value: object) -> bytes:
    """A value as compact JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise bad_value(f"It can't be written as JSON: {error}.") from error


def decode(value_type: ValueType, data: bytes) -> Any:
    """A value as the application gets it."""
    if value_type == "json":
        return json.loads(data)
    if value_type == "text":
        return data.decode()
    if value_type == "int64":
        return _INT64.unpack(data)[0]
    if value_type == "double":
        return _DOUBLE.unpack(data)[0]
    return data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise bad_value(f"It can't be written as UTF-8: {error}.") from error
