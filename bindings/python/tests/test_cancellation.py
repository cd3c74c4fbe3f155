"""Cancelling ends what it should, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket

import pytest

import outpour
from gateway import Gateway, proxy

CANCELLATIONS = 1000


async def test_no_update_is_lost_in_randomly_timed_cancellations(url: str, path: str) -> None:
    turns = random.Random(7)
    async with outpour.connect(url) as publisher, outpour.connect(url) as session:
        events = session.subscribe(path)
        # Requests are answered in their order: the gateway knows of the subscription.
        await session.get("nothing/here")
        told: list[int] = []

        async def read() -> None:
            async for event in events:
                assert event.kind == "event"
                told.append(event.value)

        for number in range(CANCELLATIONS):
            reader = asyncio.ensure_future(read())
            appended = asyncio.ensure_future(publisher.append(path, number))
            for _ in range(turns.randrange(12)):
                await asyncio.sleep(0)
            if turns.random() < 0.3:
                await appended
                for _ in range(turns.randrange(6)):
                    await asyncio.sleep(0)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            await appended
        while len(told) < CANCELLATIONS:
            told.append((await anext(events)).value)
        assert told == list(range(CANCELLATIONS))


async def test_a_time_limit_on_the_next_update_loses_none(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        prices = session.subscribe(path)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(prices), 0.01)
        await session.set(path, 1)
        assert (await anext(prices)).value == 1


async def test_cancelling_a_publish_leaves_the_session_as_it_is(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        publishes = [asyncio.ensure_future(session.set(path, number)) for number in range(100)]
        await asyncio.sleep(0)
        for publish in publishes[::2]:
            publish.cancel()
        settled = await asyncio.gather(*publishes, return_exceptions=True)
        assert sum(isinstance(version, int) for version in settled) >= 50
        assert await session.set(path, "after") > 0


async def test_a_publish_that_waits_for_room_is_not_made_once_it_is_cancelled(gateway: Gateway, path: str) -> None:
    with proxy(gateway) as between:
        between.is_open = False
        async with outpour.start(between.url, queue_count=1, backoff=(0.001, 0.01)) as session:
            first = asyncio.ensure_future(session.set(f"{path}/first", 1))
            second = asyncio.ensure_future(session.set(f"{path}/second", 2))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            between.is_open = True
            assert await first > 0
            assert [item.path for item in await session.fetch(f"{path}/*")] == [f"{path}/first"]


async def test_a_subscription_that_is_dropped_ends(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        await session.set(path, 1)
        async for update in session.subscribe(path):
            assert update.value == 1
            break
        del update
        gc.collect()
        await session.set(path, 2)
        assert session.replica(path) is None


async def test_an_exception_in_the_consumer_ends_the_subscription(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        await session.set(path, 1)
        with pytest.raises(ZeroDivisionError):
            async with session.subscribe(path) as prices:
                async for update in prices:
                    1 / (update.value - 1)
        assert [update async for update in prices] == []


async def test_closing_a_subscription_ends_who_iterates(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        prices = session.subscribe(path)

        async def read() -> list[object]:
            return [update async for update in prices]

        readers = [asyncio.ensure_future(read()) for _ in range(3)]
        await asyncio.sleep(0)
        prices.close()
        prices.close()
        assert await asyncio.gather(*readers) == [[], [], []]


async def test_several_tasks_share_a_subscription(url: str, path: str) -> None:
    async with outpour.connect(url) as session:
        events = session.subscribe(path)
        told: list[int] = []

        async def read() -> None:
            async for event in events:
                told.append(event.value)
                if len(told) == 1000:
                    events.close()

        readers = [asyncio.ensure_future(read()) for _ in range(4)]
        await asyncio.gather(*(session.append(path, number) for number in range(1000)))
        await asyncio.gather(*readers)
        assert sorted(told) == list(range(1000))


async def test_groups_of_tasks(url: str, path: str) -> None:
    task_group = getattr(asyncio, "TaskGroup", None)
    if task_group is None:
        pytest.skip("this Python has no asyncio.TaskGroup")
    async with outpour.connect(url) as session:

        async def follow() -> None:
            async for _ in session.subscribe(path):
                raise LookupError

        with pytest.raises(BaseException, match="unhandled errors") as group:
            async with task_group() as tasks:
                tasks.create_task(follow())
                tasks.create_task(anext(session.subscribe("nothing/here")))
                await session.set(path, 1)
        assert isinstance(group.value.exceptions[0], LookupError)  # type: ignore[attr-defined]


async def test_a_session_that_is_being_connected_can_be_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connecting = asyncio.ensure_future(outpour.connect(f"ws://127.0.0.1:{silent.getsockname()[1]}").__aenter__())
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
