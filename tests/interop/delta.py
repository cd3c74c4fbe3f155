"""Deltas and checks, as docs/protocol.md specifies them."""

import zlib

from wire import Reader, WireError


class DeltaError(Exception):
    """Bytes that are not a delta, or not one for this base."""


def apply(base, delta, limit):
    """The value that `delta` makes of `base`, at the most `limit` bytes."""
    try:
        return _apply(base, Reader(delta), limit)
    except WireError as error:
        raise DeltaError(*error.args) from None


def _apply(base, reader, limit):
    head = reader.varint()
    if head == 1:
        target = reader.rest()
        if len(target) > limit:
            raise DeltaError("too large")
        return target
    if head % 2:
        raise DeltaError("unknown kind")
    target = bytearray()
    cursor = 0
    copy = head // 2
    while True:
        if copy > len(base) - cursor:
            raise DeltaError("out of range")
        target += base[cursor : cursor + copy]
        cursor += copy
        if not reader:
            break
        token = reader.take(1)[0]
        literals, shift = token >> 4, token & 15
        if literals == 15:
            literals += reader.varint()
        if shift == 15:
            shift += reader.varint()
        shift = shift // 2 if shift % 2 == 0 else -(shift + 1) // 2
        target += reader.take(literals)
        cursor += literals + shift
        if not 0 <= cursor <= len(base):
            raise DeltaError("out of range")
        if not reader:
            target += base[cursor:]
            break
        copy = reader.varint()
        if len(target) > limit:
            raise DeltaError("too large")
    if len(target) > limit:
        raise DeltaError("too large")
    return bytes(target)


def check(value, version):
    """The check of a value and its version."""
    return zlib.crc32(version.to_bytes(8, "little"), zlib.crc32(value))


def plain_check(value):
    """The check of a value alone, for upstream deltas."""
    return zlib.crc32(value)
