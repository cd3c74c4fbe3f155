"""Paths and selectors, as docs/protocol.md specifies them."""

MAX_BYTES = 1024
MAX_SEGMENTS = 64
MAX_DEEP = 8


class BadName(Exception):
    """Bytes that are no path or selector."""


def split(data):
    """The segments that paths and selectors are both made of."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadName("not_utf8") from None
    segments = text.split("/")
    if not text:
        raise BadName("empty")
    if len(data) > MAX_BYTES:
        raise BadName("too_long")
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise BadName("control_character")
    if "" in segments:
        raise BadName("empty_segment")
    if len(segments) > MAX_SEGMENTS:
        raise BadName("too_deep")
    if "." in segments or ".." in segments:
        raise BadName("reserved_segment")
    return segments


def check_path(data):
    if {"*", "**"} & set(split(data)):
        raise BadName("reserved_segment")


def join(data):
    """The segments of a selector, with neighbouring `**` joined."""
    segments = split(data)
    segments = [part for at, part in enumerate(segments) if not (at and part == segments[at - 1] == "**")]
    if segments.count("**") > MAX_DEEP:
        raise BadName("too_many_wildcards")
    return segments


def matches(selector, path):
    """Whether a selector matches a path."""
    # How much of the path the part of the selector looked at so far can match.
    parts = path.split("/")
    ends = {0}
    for wanted in join(selector.encode()):
        if wanted == "**":
            ends = set(range(min(ends, default=len(parts) + 1), len(parts) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(parts) and wanted in ("*", parts[end])}
    return len(parts) in ends
