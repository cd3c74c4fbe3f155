"""The Python codec against tests/vectors: no gateway needed."""

import json
import pathlib

import pytest

import delta
import names
import wire

VECTORS = pathlib.Path(__file__).parents[1] / "vectors"


def rows(name):
    return [pytest.param(row, id=str(at)) for at, row in enumerate(json.loads((VECTORS / name).read_text()))]


def from_json(value):
    """Bytes: a string if they are readable, otherwise hexadecimal."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


def frame_from_json(direction, frame):
    """The fields that are bytes, as bytes."""
    _, fields = wire.KINDS[direction][frame["frame"]]
    kinds = dict(wire.expand(fields, frame))
    if "extensions" in kinds:
        kinds |= {name: field for name, (_, field) in kinds["extensions"].known.items()}
    raw = {name for name, kind in kinds.items() if type(kind) in (wire.Bytes, wire.Rest)}
    return {name: from_json(value) if name in raw else value for name, value in frame.items()}


@pytest.mark.parametrize("row", rows("frames.json"))
def test_frames(row):
    message = bytes.fromhex(row["hex"])
    frame = row["frame"] and frame_from_json(row["direction"], row["frame"])
    assert list(wire.decode(row["direction"], message)) == ([frame] if frame else [])
    if not row.get("decode_only"):
        assert wire.encode(row["direction"], frame) == message
    for length in range(1, len(message)):
        with pytest.raises(wire.WireError):
            list(wire.decode(row["direction"], message[:length]))


@pytest.mark.parametrize("row", rows("refused.json"))
def test_refused(row):
    # A client in Python takes any path that is a text: the gateway checks them.
    if row["error"] == "invalid" and row["name"] == "a path that is not valid":
        (frame,) = wire.decode(row["direction"], bytes.fromhex(row["hex"]))
        with pytest.raises(names.BadName):
            names.check_path(frame["path"].encode())
        return
    with pytest.raises(wire.WireError):
        list(wire.decode(row["direction"], bytes.fromhex(row["hex"])))


@pytest.mark.parametrize("row", rows("deltas.json"))
def test_deltas(row):
    base, instructions = from_json(row["base"]), bytes.fromhex(row["delta"])
    limit = row.get("limit", 1 << 20)
    if "error" in row:
        with pytest.raises(delta.DeltaError):
            delta.apply(base, instructions, limit)
    else:
        assert delta.apply(base, instructions, limit) == from_json(row["target"])


@pytest.mark.parametrize("row", rows("checks.json"))
def test_checks(row):
    value = from_json(row["value"])
    assert delta.check(value, row["version"]) == row["check"]
    assert delta.plain_check(value) == row["plain_check"]


@pytest.mark.parametrize("row", rows("paths.json"))
def test_paths(row):
    path = from_json(row["path"])
    if "error" in row:
        with pytest.raises(names.BadName, match=row["error"]):
            names.check_path(path)
    else:
        names.check_path(path)


@pytest.mark.parametrize("row", rows("selectors.json"))
def test_selectors(row):
    selector = from_json(row["selector"])
    if "error" in row:
        with pytest.raises(names.BadName, match=row["error"]):
            names.join(selector)
        return
    assert "/".join(names.join(selector)) == row.get("joined", row["selector"])
    assert all(names.matches(row["selector"], path) for path in row["matches"])
    assert not any(names.matches(row["selector"], path) for path in row["misses"])


@pytest.mark.parametrize("row", rows("varints.json"))
def test_varints(row):
    data = bytes.fromhex(row["hex"])
    if "error" in row:
        with pytest.raises(wire.WireError):
            wire.Reader(data).varint()
    else:
        assert wire.Reader(data).varint() == row["number"]
        assert wire.write_varint(row["number"]) == data
