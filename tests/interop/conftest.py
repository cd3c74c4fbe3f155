import asyncio
import functools

import pytest

import gateway


@pytest.fixture(scope="session")
def url():
    """A gateway with default settings, shared by all tests: each uses paths of its own."""
    with gateway.serve() as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs coroutines as tests, each with a deadline."""
    function = pyfuncitem.obj
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        def run(*arguments, **keywords):
            async def limited():
                async with asyncio.timeout(120):
                    await function(*arguments, **keywords)

            asyncio.run(limited())

        pyfuncitem.obj = run
    return (yield)
