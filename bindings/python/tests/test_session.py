"""The API for asyncio, against a real gateway."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import outpour
from outpour import CallerError, Value


async def test_what_is_set_is_told_and_held(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        prices = session.subscribe(f"{path}/*")
        version = await session.set(f"{path}/a", {"bid": 1.5})
        update = await anext(prices)
        assert (update.kind, update.path, update.value, update.version) == ("value", f"{path}/a", {"bid": 1.5}, version)
        assert update.value is update.value
        assert not update.stale
        assert len(bytes.fromhex(update.epoch)) == 16
        assert update.wire_bytes > 0
        replica = session.replica(f"{path}/a")
        assert replica is not None
        assert (replica.value, replica.version, replica.stale) == ({"bid": 1.5}, version, False)
        assert replica.age >= 0
        assert [replica.path for replica in session.replicas(f"{path}/**")] == [f"{path}/a"]
        assert session.replica(f"{path}/b") is None
        assert session.replica(f"{path}/*") is None
        await session.remove(f"{path}/a")
        removed = await anext(prices)
        assert (removed.kind, removed.value, removed.bytes) == ("removed", None, b"")


@pytest.mark.parametrize(
    ("value", "value_type", "given"),
    [
        ([1, "two", None, {"ä": 1.5}], "json", [1, "two", None, {"ä": 1.5}]),
        (None, "json", None),
        (Value.json('{"a": 1.50}'), "json", {"a": 1.5}),
        (Value.text("grüße\0"), "text", "grüße\0"),
        (b"\0\xff", "binary", b"\0\xff"),
        (bytearray(b"ab"), "binary", b"ab"),
        (memoryview(b"ab"), "binary", b"ab"),
        (b"", "binary", b""),
        (Value.int64(-(2**63)), "int64", -(2**63)),
        (Value.double(math.pi), "double", math.pi),
    ],
)
async def test_every_type_of_value_keeps_its_meaning(url: str, path: str, value: object, value_type: str, given: object) -> None:
    async with outpour.connect(url) as session:
        await session.set(path, value)
        update = await anext(session.subscribe(path))
        assert (update.type, update.value) == (value_type, given)
        held = await session.get(path)
        assert held is not None
        assert (held.type, held.value) == (value_type, given)
        (item,) = await session.fetch(path)
        assert (item.kind, item.type, item.value, item.version) == ("value", value_type, given, held.version)


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, math.nan, "\ud800", {"a": [object()]}, {(1, 2): 3}],
    ids=["object", "set", "nan", "surrogate", "nested", "key"],
)
async def test_what_is_no_value_is_refused(url: str, path: str, value: object) -> None:
    async with outpour.connect(url) as session:
        with pytest.raises(CallerError) as refused:
            await session.set(path, value)
        assert (refused.value.code, refused.value.reason) == (4102, "bad-value")
        assert refused.value.__cause__ is not None
        assert await session.get(path) is None


async def test_a_value_that_refers_to_itself_is_refused(url: str, path: str) -> None:
    ring: list[Any] = []
    ring.append(ring)
    async with outpour.connect(url) as session:
        with pytest.raises(CallerError, match="Circular"):
            await session.set(path, ring)


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CallerError, match="64 bits"):
        Value.int64(2**63)
    with pytest.raises(CallerError, match="64 bits"):
        Value.int64("7")  # type: ignore[arg-type]
    with pytest.raises(CallerError, match="64 bits"):
        Value.double(10**400)
    with pytest.raises(ValueError, match="a type is one of"):
        Value("xml", b"")  # type: ignore[arg-type]
    assert Value.text("a") == Value.text("a") != Value.binary(b"a")


async def test_json_that_is_none_is_refused_by_the_gateway_and_read_by_nobody(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        with pytest.raises(CallerError, match="bad-value"):
            await session.set(path, Value.json("{"))


async def test_huge_values(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        big = {"text": "é" * (1 << 18)}
        await session.set(path, big)
        held = await session.get(path)
        assert held is not None
        assert held.value == big
        with pytest.raises(CallerError) as refused:
            await session.set(path, b"x" * (64 << 20))
        assert refused.value.reason in ("too-large", "queue-full", "type-mismatch")


async def test_conditions(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        first = await session.set(path, 1, if_absent=True)
        with pytest.raises(CallerError) as there:
            await session.set(path, 2, if_absent=True)
        assert (there.value.reason, there.value.version) == ("already-exists", first)
        second = await session.set(path, 2, if_version=first)
        with pytest.raises(CallerError) as changed:
            await session.remove(path, if_version=first)
        assert (changed.value.reason, changed.value.version, changed.value.retryable) == ("version-mismatch", second, False)
        with pytest.raises(ValueError, match="not both"):
            await session.set(path, 3, if_version=second, if_absent=True)
        for wrong in (-1, 2**64, "1"):
            with pytest.raises((ValueError, TypeError)):
                await session.set(path, 3, if_version=wrong)  # type: ignore[arg-type]


async def test_patches(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        await session.set(path, {"on": False, "watts": 7, "name": "hall"})
        await session.patch(path, {"on": True, "name": None})
        await session.json_patch(path, [{"op": "replace", "path": "/watts", "value": 8}])
        held = await session.get(path)
        assert held is not None
        assert held.value == {"on": True, "watts": 8}
        with pytest.raises(CallerError, match="bad-patch"):
            await session.json_patch(path, [{"op": "remove", "path": "/nothing"}])


async def test_events_and_their_past(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        versions = [await session.append(path, {"lots": lots}) for lots in range(5)]
        events = await session.fetch_events(path)
        assert [(event.kind, event.sequence, event.value["lots"]) for event in events] == [("event", i + 1, i) for i in range(5)]
        assert not events.more
        some = await session.fetch_events(path, outpour.After(versions[1]), limit=2)
        assert [event.sequence for event in some] == [3, 4]
        assert some.more
        told = session.subscribe(path, from_=outpour.Last(2))
        assert [(await anext(told)).sequence for _ in range(2)] == [4, 5]
        with pytest.raises(CallerError, match="kind-mismatch"):
            await session.set(path, 1)
        with pytest.raises(ValueError, match="a start is"):
            session.subscribe(path, from_="yesterday")  # type: ignore[arg-type]
    async with outpour.connect(url) as session:
        everything = session.subscribe(path, from_="all")
        assert [(await anext(everything)).version for _ in range(5)] == versions


async def test_topics_are_created_with_properties(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        await session.create(path, kind="event", type="text", history=2, if_absent=True)
        for text in ("a", "b", "c"):
            await session.append(path, Value.text(text))
        assert [event.value for event in await session.fetch_events(path)] == ["b", "c"]
        with pytest.raises(CallerError, match="type-mismatch"):
            await session.append(path, 1)
        with pytest.raises(ValueError, match="of kind"):
            await session.create(path, kind="queue")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="a type is"):
            await session.create(path, type="xml")  # type: ignore[arg-type]


async def test_update_streams_send_what_changed(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        text = "It was a dark night. " * 500
        with session.update_stream(path) as document:
            assert document.path == path
            await document.set(Value.text(text))
            before = session.statistics().bytes_sent
            version = await document.set(Value.text(text + "And stormy."))
            assert session.statistics().bytes_sent - before < 200
        held = await session.get(path)
        assert held is not None
        assert (held.value, held.version) == (text + "And stormy.", version)
        with pytest.raises(outpour.ClosedError):
            await document.set("more")


async def test_requests_keep_their_order(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        versions = await asyncio.gather(*(session.set(path, number) for number in range(500)))
        assert versions == sorted(versions)
        held = await session.get(path)
        assert held is not None
        assert held.value == 499


async def test_a_full_queue(url: str, path: str) -> None:
    session = outpour.start("ws://127.0.0.1:9", queue_count=2, when_full="error")
    waiting = [asyncio.ensure_future(session.set(path, number)) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CallerError) as full:
        await session.set(path, 3)
    assert (full.value.reason, full.value.retryable) == ("queue-full", True)
    await session.close(0)
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, outpour.ClosedError)
    async with outpour.connect(url, queue_count=2) as session:
        versions = await asyncio.gather(*(session.set(path, number) for number in range(50)))
        assert len(set(versions)) == 50


async def test_what_is_wrong_with_paths_and_selectors(url: str) -> None:
    async with outpour.connect(url) as session:
        with pytest.raises(CallerError, match="bad-path"):
            await session.set("a//b", 1)
        with pytest.raises(CallerError, match="bad-path"):
            await session.get("")
        with pytest.raises(CallerError, match="bad-selector"):
            session.subscribe("a//b")
        with pytest.raises(CallerError, match="bad-options"):
            session.subscribe("a", max_rate=math.nan)
        for wrong in (None, 7, b"a"):
            with pytest.raises(TypeError):
                await session.set(wrong, 1)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                session.subscribe(wrong)  # type: ignore[arg-type]


async def test_a_closed_session_says_so(url: str, path: str) -> None:
    session = await outpour.connect(url)
    prices = session.subscribe(path)
    await session.close()
    await session.close()
    assert session.connection == outpour.ConnectionState("closed")
    assert await session.closed() is None
    assert [update async for update in prices] == []
    for call in (session.set(path, 1), session.get(path), session.fetch(path)):
        with pytest.raises(outpour.ClosedError) as closed:
            await call
        assert (closed.value.code, closed.value.fault) == (4000, "nobody")
    with pytest.raises(outpour.ClosedError):
        session.subscribe(path)


async def test_options_that_are_wrong(url: str) -> None:
    with pytest.raises(CallerError, match="bad-endpoint"):
        await outpour.connect("http://127.0.0.1")
    with pytest.raises(CallerError, match="bad-endpoint"):
        await outpour.connect([])
    with pytest.raises(CallerError, match="bad-options"):
        await outpour.connect(url, backoff=(2, 1))
    with pytest.raises(TypeError, match="no option colour"):
        await outpour.connect(url, colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="when_full"):
        await outpour.connect(url, when_full="never")  # type: ignore[arg-type]
    for time in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="a time is"):
            await outpour.connect(url, connect_timeout=time)
    with pytest.raises(TypeError, match="credentials are"):
        await outpour.connect(url, credentials=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await outpour.connect(None)  # type: ignore[arg-type]


async def test_a_gateway_that_is_not_there() -> None:
    with pytest.raises(outpour.NetworkError) as refused:
        await outpour.connect("ws://127.0.0.1:9")
    assert (refused.value.reason, refused.value.fault, refused.value.retryable) == ("connect-failed", "network", True)
    with pytest.raises(outpour.NetworkError):
        async with outpour.connect("ws://127.0.0.1:9"):
            pass


async def test_the_next_gateway_is_tried(url: str, path: str) -> None:
    async with outpour.start(["ws://127.0.0.1:9", url], backoff=(0.001, 0.01)) as session:
        assert await session.set(path, 1) > 0


async def test_a_rate_that_is_limited(url: str, path: str) -> None:
    async with outpour.connect(url) as session, outpour.connect(url) as publisher:
        await publisher.set(path, 0)
        slow = session.subscribe(path, max_rate=0.01)
        assert (await anext(slow)).value == 0
        fence = session.subscribe(f"{path}/fence")
        await publisher.set(path, 1)
        await publisher.set(f"{path}/fence", 1)
        assert (await anext(fence)).value == 1
        held = session.replica(path)
        assert held is not None
        assert held.value == 0


async def test_batches(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        events = session.subscribe(path)
        await asyncio.gather(*(session.append(path, number) for number in range(600)))
        first = await anext(events)
        told = [first.value]
        async for batch in events.batches():
            assert batch
            told += [update.value for update in batch]
            if len(told) == 600:
                break
        assert told == list(range(600))


async def test_statistics_and_pings(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        session.ping()
        await session.set(path, 1)
        counted = session.statistics()
        assert counted.connections == 1
        assert counted.bytes_sent > 0
        assert counted.bytes_received > 0
        assert "connected" in repr(session)
