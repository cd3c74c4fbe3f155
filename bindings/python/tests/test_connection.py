"""Lost networks, several gateways, warm starts, hints, and what the application hears of them."""

from __future__ import annotations

import asyncio
import logging
import pathlib

import pytest

import outpour
from gateway import Gateway, proxy, serve
from outpour import ConnectionState

SOON = (0.001, 0.01)


async def state(session: outpour.Session, name: str) -> ConnectionState:
    async for current in session.connection_states():
        if current.state == name:
            return current
    raise AssertionError(f"it was never {name}")


async def in_place(session: outpour.Session) -> None:
    """Until the gateway knows of what was subscribed to: requests are answered in their order."""
    await session.get("nothing/here")


async def test_a_session_goes_on_where_it_was(gateway: Gateway, path: str) -> None:
    with proxy(gateway) as between:
        async with outpour.connect(between.url, backoff=SOON) as session, outpour.connect(gateway.url) as publisher:
            events = session.subscribe(path)
            await in_place(session)
            await publisher.append(path, 0)
            assert (await anext(events)).value == 0
            resumptions = session.resumptions()
            between.is_open = False
            between.cut()
            lost = await state(session, "disconnected")
            assert isinstance(lost.error, outpour.NetworkError)
            held = session.replica(path)
            assert held is not None
            assert held.stale
            for number in range(1, 10):
                await publisher.append(path, number)
            queued = asyncio.ensure_future(session.set(f"{path}/mine", 1))
            between.is_open = True
            resumption = await anext(resumptions)
            assert (resumption.outcome, resumption.missed, resumption.more) == ("complete", (), 0)
            assert resumption.away > 0
            assert [(await anext(events)).value for _ in range(9)] == list(range(1, 10))
            assert await queued > 0
            assert session.statistics().connections == 2


async def test_events_that_are_no_longer_kept_are_told_as_a_gap(gateway: Gateway, path: str) -> None:
    with proxy(gateway) as between:
        async with outpour.connect(between.url, backoff=SOON) as session, outpour.connect(gateway.url) as publisher:
            await publisher.create(path, kind="event", history=2)
            events = session.subscribe(path)
            await in_place(session)
            await publisher.append(path, 1)
            await anext(events)
            resumptions = session.resumptions()
            between.is_open = False
            between.cut()
            await state(session, "disconnected")
            for number in range(2, 11):
                await publisher.append(path, number)
            between.is_open = True
            resumption = await anext(resumptions)
            assert (resumption.outcome, resumption.missed) == ("gaps", (outpour.MissedEvents(path, 2, 8),))
            gap = await anext(events)
            assert (gap.kind, gap.sequence, gap.last, gap.value) == ("gap", 2, 8, None)
            assert [(await anext(events)).sequence for _ in range(2)] == [9, 10]


async def test_what_a_slow_application_misses_is_told(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        events = session.subscribe(path, mailbox_count=10)
        for number in range(100):
            await session.append(path, number)
        fence = session.subscribe(f"{path}/fence")
        await session.set(f"{path}/fence", 1)
        await anext(fence)
        told = [await anext(events) for _ in range(11)]
        assert [event.sequence for event in told[:10]] == list(range(1, 11))
        assert (told[10].kind, told[10].sequence, told[10].last) == ("gap", 11, 100)


async def test_another_gateway_begins_afresh(path: str) -> None:
    with serve() as first, proxy(first) as between, serve() as second:
        async with outpour.connect([between.url, second.url], backoff=SOON) as session:
            await session.set(path, 1)
            prices = session.subscribe(path)
            before = await anext(prices)
            resumptions = session.resumptions()
            between.is_open = False
            between.cut()
            assert (await anext(resumptions)).outcome == "afresh"
            assert (await anext(prices)).kind == "removed"
            await session.set(path, 2)
            after = await anext(prices)
            assert after.value == 2
            assert after.epoch != before.epoch


async def test_states_as_they_change(gateway: Gateway) -> None:
    session = outpour.start(gateway.url)
    seen = []
    async for current in session.connection_states():
        seen.append(current.state)
        if current.state == "connected" and "suspended" not in seen:
            session.suspend()
        elif current.state == "suspended":
            session.network_up()
            session.resume()
        elif current.state == "connected":
            session.network_down()
            await session.close()
    assert [name for name in seen if name != "connecting"] == ["connected", "suspended", "connected", "closed"]


async def test_without_reconnecting_a_lost_connection_is_the_end(gateway: Gateway, path: str) -> None:
    with proxy(gateway) as between:
        session = await outpour.connect(between.url, reconnect=False)
        prices = session.subscribe(path)
        reading = asyncio.ensure_future(anext(prices))
        await session.set(f"{path}/x", 1)
        between.cut()
        with pytest.raises(outpour.NetworkError):
            await reading
        why = await session.closed()
        assert isinstance(why, outpour.NetworkError)
        with pytest.raises(outpour.OutpourError):
            await session.set(path, 1)


async def test_a_warm_start(url: str, path: str, tmp_path: pathlib.Path) -> None:
    store = tmp_path / "prices.store"
    async with outpour.connect(url, store=store) as session:
        await session.set(path, {"bid": 1})
        prices = session.subscribe(path)
        await anext(prices)
        with pytest.raises(outpour.CallerError, match="in use"):
            outpour.start(url, store=store)
    # There is no gateway.
    session = outpour.start("ws://127.0.0.1:9", store=str(store), store_bytes=1 << 20)
    held = session.replica(path)
    assert held is not None
    assert (held.value, held.stale) == ({"bid": 1}, True)
    update = await anext(session.subscribe(path))
    assert (update.value, update.stale) == ({"bid": 1}, True)
    await session.close(0)


class Heard(logging.Handler):
    """What is logged, from whichever thread, as futures of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._loop.call_soon_threadsafe(self.records.put_nowait, record)


async def test_what_the_library_says_is_logged(url: str, tmp_path: pathlib.Path) -> None:
    store = tmp_path / "prices.store"
    store.write_bytes(b"nonsense")
    heard = Heard()
    logger = logging.getLogger("outpour")
    logger.addHandler(heard)
    try:
        async with outpour.connect(url, store=store):
            record = await heard.records.get()
            while "set aside" not in record.getMessage():
                record = await heard.records.get()
    finally:
        logger.removeHandler(heard)
    assert (record.levelname, record.name) == ("WARNING", "outpour.store")
    assert store.with_suffix(".store.damaged").exists()
