"""What every test has: a gateway, and event loops that coroutines are run in as tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

import outpour
from gateway import Gateway, serve

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """A gateway with default settings, shared by all tests: each uses paths of its own."""
    with serve() as gateway:
        yield gateway


@pytest.fixture
def url(gateway: Gateway) -> str:
    return gateway.url


@pytest.fixture
def session(url: str) -> Iterator[outpour.sync.Session]:
    """A session that blocks."""
    with outpour.sync.connect(url) as session:
        yield session


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A path that no other test uses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_factory")
        metafunc.parametrize("loop_factory", LOOPS.values(), ids=LOOPS.keys())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """Runs coroutines as tests, and sees to it that they leave no task behind."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    factory: Any = pyfuncitem.callspec.params["loop_factory"]
    loop = factory()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pyfuncitem.obj(**arguments))
        loop.run_until_complete(_settle())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
    return True


async def _settle() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    # What was cancelled needs a turn to end.
    if left:
        await asyncio.wait(left, timeout=10)
    left = {task for task in left if not task.done()}
    assert not left, f"tasks were left behind: {left}"
