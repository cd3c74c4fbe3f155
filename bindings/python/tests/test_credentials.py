"""Credentials: given, or provided when they are asked for."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from collections.abc import Iterator

import pytest

import outpour
from gateway import Gateway, serve

TOKEN = "a token that opens the gateway"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that wants a token."""
    folder: pathlib.Path = tmp_path_factory.mktemp("guarded")
    config = folder / "outpour.toml"
    config.write_text(f'[auth]\nrequired = true\n\n[[auth.token]]\ntoken = "{TOKEN}"\nprincipal = "anna"\n')
    with serve("--config", str(config)) as gateway:
        yield gateway


async def test_a_token(guarded: Gateway) -> None:
    for token in (TOKEN, TOKEN.encode()):
        async with outpour.connect(guarded.url, credentials=token) as session:
            assert session.connection.state == "connected"
    for wrong in (None, "another"):
        with pytest.raises(outpour.CallerError) as refused:
            await outpour.connect(guarded.url, credentials=wrong)
        assert refused.value.reason == "unauthenticated"


async def test_a_provider_that_is_awaited(guarded: Gateway) -> None:
    asked = []

    async def provide(expired: bool) -> str:
        asked.append(expired)
        await asyncio.sleep(0)
        return TOKEN

    async with outpour.connect(guarded.url, credentials=provide) as session:
        assert session.connection.state == "connected"
    assert asked == [False]


async def test_a_provider_that_blocks_does_not_block_the_loop(guarded: Gateway) -> None:
    goes_on = threading.Event()

    def provide(expired: bool) -> bytes:
        goes_on.wait()
        return TOKEN.encode()

    connecting = asyncio.ensure_future(outpour.connect(guarded.url, credentials=provide)._connect())
    await asyncio.sleep(0.01)
    goes_on.set()
    session = await connecting
    await session.close()


async def test_a_provider_that_fails(guarded: Gateway) -> None:
    def provide(expired: bool) -> str:
        raise LookupError("no token here")

    with pytest.raises(outpour.CallerError) as failed:
        await outpour.connect(guarded.url, credentials=provide)
    assert failed.value.reason == "credentials-failed"
    assert "LookupError: no token here" in failed.value.detail
    with pytest.raises(outpour.CallerError, match="credentials are a str or bytes, not int"):
        await outpour.connect(guarded.url, credentials=lambda expired: 7)  # type: ignore[arg-type, return-value]


def test_providers_of_sessions_that_block(guarded: Gateway) -> None:
    async def awaited(expired: bool) -> str:
        return TOKEN

    for provider in (lambda expired: TOKEN, awaited):
        with outpour.sync.connect(guarded.url, credentials=provider) as session:
            assert session.connection.state == "connected"
            threads = [thread for thread in threading.enumerate() if thread.name == "outpour-credentials"]
            assert threads
        for thread in threads:
            thread.join()
