"""The API for threads, against a real gateway. What both share is tried for asyncio."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest

import outpour
from gateway import Gateway, proxy
from outpour.sync import Session


def test_the_names_are_the_same() -> None:
    def members(kind: type) -> dict[str, list[str]]:
        return {
            name: [parameter for parameter in inspect.signature(member).parameters if parameter != "timeout"]
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert members(outpour.Session) == members(Session)
    assert members(outpour.UpdateStream) == members(outpour.sync.UpdateStream)
    assert members(outpour.Subscription).keys() == members(outpour.sync.Subscription).keys() - {"next"}
    for name in ("connect", "start"):
        for either in (getattr(outpour, name), getattr(outpour.sync, name)):
            assert list(inspect.signature(either).parameters) == ["url", "options"]


def test_everything_once(session: Session, path: str) -> None:
    prices = session.subscribe(f"{path}/*")
    version = session.set(f"{path}/a", {"bid": 1}, if_absent=True)
    assert next(prices).version == version
    session.patch(f"{path}/a", {"ask": 2})
    assert next(prices).value == {"bid": 1, "ask": 2}
    session.json_patch(f"{path}/a", [{"op": "remove", "path": "/ask"}])
    held = session.get(f"{path}/a")
    assert held is not None
    assert held.value == {"bid": 1}
    assert [item.path for item in session.fetch(f"{path}/**")] == [f"{path}/a"]
    with session.update_stream(f"{path}/b") as stream:
        stream.set(b"12", timeout=10)
    session.create(f"{path}/c", kind="event")
    session.append(f"{path}/c", 7)
    assert [event.value for event in session.fetch_events(f"{path}/c", "all")] == [7]
    session.remove(f"{path}/a")
    told = {(update.kind, update.path) for update in (prices.next(10) for _ in range(4))}
    assert ("removed", f"{path}/a") in told
    assert ("value", f"{path}/b") in told
    batch: list[Any] = next(prices.batches()) if ("event", f"{path}/c") not in told else ["told"]
    assert batch
    prices.close()
    assert list(prices) == []


def test_time_limits(session: Session, path: str) -> None:
    with pytest.raises(TimeoutError):
        session.subscribe(path).next(timeout=0.01)
    alone = outpour.sync.start("ws://127.0.0.1:9")
    with pytest.raises(TimeoutError):
        alone.set(path, 1, timeout=0)
    with pytest.raises(TimeoutError):
        alone.get(path, timeout=0.01)
    alone.close(0)
    with pytest.raises(outpour.ClosedError):
        alone.get(path)


def test_a_gateway_that_is_not_there() -> None:
    with pytest.raises(outpour.NetworkError):
        outpour.sync.connect("ws://127.0.0.1:9")


def test_states_and_resumptions(gateway: Gateway, path: str) -> None:
    with proxy(gateway) as between, outpour.sync.connect(between.url, backoff=(0.001, 0.01)) as session:
        session.set(path, 1)
        prices = session.subscribe(path)
        next(prices)
        states = session.connection_states()
        assert next(states).state == "connected"
        resumptions = session.resumptions()
        between.cut()
        assert next(states).state in ("disconnected", "connecting", "connected")
        assert next(resumptions).outcome == "complete"
        session.close()
        assert [state.state for state in states][-1] == "closed"
        assert list(resumptions) == []
        assert session.closed() is None


def test_several_threads_use_a_session(session: Session, path: str) -> None:
    events = session.subscribe(path)
    told: list[int] = []

    def read() -> None:
        told.extend(event.value for event in events)

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=lambda: [session.append(path, number) for number in range(50)]) for _ in range(4)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    # Who publishes is told last.
    fence = session.subscribe(f"{path}/fence")
    session.set(f"{path}/fence", 1)
    fence.next()
    while len(told) < 200:
        threading.Event().wait(0.01)
    events.close()
    for thread in readers:
        thread.join()
    assert sorted(told) == sorted(list(range(50)) * 4)
