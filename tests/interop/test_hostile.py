"""Clients that break the protocol: each gets its code and a sentence, and nobody else notices."""

import asyncio
import random

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import gateway
import wire
from client import Client

TIGHT = """
[limits]
handshake_timeout = "300ms"
max_message = "64KiB"
max_value = "16KiB"
max_topics = 20
max_topics_per_session = 10
max_subscriptions_per_session = 4
max_publishes_in_flight = 8
max_fetches_in_flight = 2
max_connections = 6
messages_per_second = 50
"""


@pytest.fixture(scope="module")
def tight():
    """A gateway with low limits."""
    with gateway.serve(TIGHT) as url:
        yield url


def hello(**fields):
    frame = {"frame": "hello", "major": 1, "minor": 0, "publisher": random.randbytes(16).hex(), "settled": 0}
    return wire.encode("client", {**frame, "max_message": 32 << 20, "agent": "hostile", **fields})


def publish(number=1, path=b"hostile/a", **fields):
    frame = {"frame": "publish", "number": number, "naming": "whole", "path": path, "condition": "always"}
    return wire.encode("client", {**frame, "operation": "set", "type": "text", "value": b"x", **fields})


def subscribe(id=1, selector=b"hostile/**", start="live"):
    return wire.encode("client", {"frame": "subscribe", "id": id, "selector": selector, "max_rate": 0, "from": start})


def fetch(id=1, selector=b"hostile/**"):
    return wire.encode("client", {"frame": "fetch", "id": id, "selector": selector, "limit": 10, "what": "values"})


PONG = wire.encode("client", {"frame": "pong", "token": 1})
END = wire.encode(
    "client", {"frame": "goodbye", "code": 4000, "reason": "", "retry_after": 0, "redirect": "", "speaks": []}
)


async def converse(url, *messages):
    """Says what it is given and listens to the end: the frames that came, and the close code."""
    frames = []
    async with connect(url, subprotocols=["outpour.v1"], compression=None, max_size=1 << 26) as socket:

        async def say():
            for message in messages:
                await socket.send(message)

        async def listen():
            async for message in socket:
                frames.extend(wire.decode("gateway", message))

        async with asyncio.timeout(60):
            await asyncio.gather(say(), listen(), return_exceptions=True)
            await socket.wait_closed()
        return frames, socket.close_code


async def still_serves(url, client):
    """Whoever was there before is served as before."""
    code, _ = await client.ask("bystander", "set", type="text", value=b"x")
    assert code == 0
    assert (await client.fetch("bystander"))[0][0]["value"] == b"x"


RAW = wire.encode_raw
RANDOM = random.Random(7)

ENDING = {
    "a text message": (["hello"], 4203),
    "a text message after the hello": ([hello(), "hello"], 4203),
    "a frame that is cut off": ([hello(), subscribe()[:-1]], 4200),
    "a header that does not end": ([hello(), b"\xff"], 4200),
    "a number with a needless byte": ([hello(), b"\x27\x85\x00"], 4200),
    "a number above 64 bits": ([hello(), RAW(7, b"\xff" * 9 + b"\x02")], 4200),
    "bytes behind a frame's last field": ([hello(), RAW(7, b"\x05\x00")], 4200),
    "an unknown operation": ([hello(), RAW(4, b"\x01\x00\x01a\x00\x07")], 4200),
    "an unknown condition": ([hello(), RAW(4, b"\x01\x00\x01a\x03\x05")], 4200),
    "an unknown type": ([hello(), RAW(4, b"\x01\x00\x01a\x00\x00\x09x")], 4200),
    "a length of 2^60": ([hello(), wire.write_varint((1 << 60) * 8 + 4)], 4200),
    "a selector of 2^40 bytes": ([hello(), RAW(2, b"\x01" + wire.write_varint(1 << 40) + b"a")], 4200),
    "a known kind behind the escape": ([hello(), b"\x1f\x07"], 4200),
    "random bytes": ([hello(), b"\xff" + RANDOM.randbytes(1000)], 4200),
    "a hello that is not UTF-8": ([hello()[:-7] + b"\xff" * 7], 4200),
    "another frame first": ([subscribe()], 4201),
    "a pong first": ([PONG + hello()], 4201),
    "a second hello": ([hello(), hello()], 4201),
    "a client that takes too little": ([hello(max_message=4096)], 4202),
    "another major version": ([hello(major=2)], 4204),
    "the major version 0": ([hello(major=0)], 4204),
    "the largest major version": ([wire.encode_raw(1, wire.write_varint((1 << 64) - 1) + b"\x00anything")], 4204),
    "a publish with the number 0": ([hello(), publish(0)], 4201),
    "a number twice": ([hello(), publish(7), publish(7)], 4201),
    "a number that goes back": ([hello(), publish(7), publish(6)], 4201),
    "an alias that is not defined": ([hello(), publish(1, naming={"alias": 0})], 4201),
    "an alias out of turn": ([hello(), publish(1, naming={"define": 1})], 4201),
    "the largest alias": ([hello(), publish(1, naming={"define": (1 << 32) - 1})], 4201),
    "1,025 aliases": (
        [hello()] + [publish(n, b"hostile/%d" % (n % 3), naming={"define": n - 1}) for n in range(1, 1026)],
        (4201, 4207),
    ),
    "a subscription id twice": ([hello(), subscribe(1) + subscribe(1)], 4201),
    "too many publishes at once": ([hello(), b"".join(publish(n) for n in range(1, 258))], 4207),
    "an end": ([hello(), END], 4000),
    "an end before the hello": ([END], 4000),
}


@pytest.mark.parametrize("name", ENDING)
async def test_conversations_that_end(url, name):
    messages, code = ENDING[name]
    async with Client(url) as bystander:
        frames, close_code = await converse(url, *messages)
        goodbye = frames[-1]
        assert goodbye["frame"] == "goodbye", frames
        assert close_code == goodbye["code"]
        assert close_code == code if isinstance(code, int) else close_code in code
        assert goodbye["reason"] and goodbye["redirect"] == ""
        assert goodbye["speaks"] == ([1] if code == 4204 else [])
        await still_serves(url, bystander)


async def test_a_message_over_the_limit(url):
    async with Client(url) as bystander:
        limit = bystander.welcome["max_message"]
        _, close_code = await converse(url, hello(), bytes(limit + 1))
        assert close_code == 1009
        # One of exactly the limit is taken: zeros are frames of the kind 0, which nobody knows.
        _, close_code = await converse(url, hello(), bytes(limit), END)
        assert close_code == 4000
        await still_serves(url, bystander)


async def test_unknown_frames_and_extensions_are_skipped(url):
    unknown = RAW(10, b"what") + RAW(14, b"") + RAW(15 + 2, b"is") + RAW((1 << 64) - 1, b"this") + b"\x00"
    extensions = b"\x09\x03new" + b"\xac\x02\x00"
    frames, code = await converse(url, unknown + RAW(1, hello()[2:] + extensions) + unknown, END)
    assert code == 4000 and [frame["frame"] for frame in frames] == ["welcome", "goodbye"]
    async with Client(url) as client:
        client.subscriptions[7] = [dict(next(wire.decode("client", subscribe(7)))), False]
        await client.socket.send(unknown + RAW(2, subscribe(7)[2:] + extensions) + unknown)
        await client.socket.send(b"")
        await client.until(lambda: 7 in client.subscribed)
        await still_serves(url, client)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/a",
        b"a/",
        b"a//b",
        b"a/*",
        b"**",
        b"..",
        b"a/./b",
        b"a\x00b",
        b"\xff",
        b"a" * 1025,
        b"a/" * 64 + b"a",
    ],
)
async def test_bad_paths(url, path):
    async with Client(url) as client:
        await client.say(**dict(next(wire.decode("client", publish(1, path)))))
        assert await client.verdict(1) == (4100, 0)
        client.last_number = 1
        await still_serves(url, client)


@pytest.mark.parametrize(
    "selector",
    [b"", b"/", b"a//b", b"a/../b", b"a\x7f", b"\xff", b"*" * 1025, b"*/" * 64 + b"*", b"/".join([b"**/a"] * 9)],
    ids=repr,
)
async def test_bad_selectors(url, selector):
    async with Client(url) as client:
        await client.say(frame="subscribe", id=9, selector=selector, max_rate=0, **{"from": "live"})
        client.fetches[9] = {"items": [], "more": None}
        await client.say(frame="fetch", id=9, selector=selector, limit=1, what="values")
        await client.until(lambda: len(client.refused) == 2)
        assert client.refused == {("subscription", 9): 4101, ("fetch", 9): 4101}
        await still_serves(url, client)


async def test_a_selector_bomb_costs_no_time(url):
    """The worst that is allowed: eight `**`, and a path that nearly matches."""
    async with Client(url) as client:
        await client.ask("bomb/" + "a/" * 50 + "c", "set", type="text", value=b"x")
        await client.subscribe("bomb/" + "**/a/a/" * 8 + "b")
        await client.subscribe("bomb/" + "**/a/a/" * 8 + "c")
        assert list(client.subscribed.values()) == [0, 1]


async def test_a_handshake_that_does_not_come(tight):
    frames, code = await converse(tight)
    assert [frame["frame"] for frame in frames] == ["goodbye"]
    assert frames[0]["code"] == code == 4205


async def test_limits_of_a_session(tight):
    async with Client(tight) as client:
        assert client.welcome["max_in_flight"] == 8 and client.welcome["max_value"] == 16 << 10
        assert client.welcome["max_subscriptions"] == 4
        assert (await client.ask("t/big", "set", type="binary", value=bytes(16 << 10)))[0] == 0
        assert (await client.ask("t/big", "set", type="binary", value=bytes((16 << 10) + 1)))[0] == 4109
        for _ in range(4):
            assert ("subscription", await client.subscribe("nothing")) not in client.refused
        fifth = await client.subscribe("nothing")
        assert client.refused["subscription", fifth] == 4110
        await client.unsubscribe(fifth - 1)
        again = await client.subscribe("nothing")
        assert ("subscription", again) not in client.refused


async def test_limits_of_topics(tight):
    async with Client(tight) as client:
        codes = [(await client.ask(f"t/{n}", "set", type="text", value=b"x"))[0] for n in range(25)]
        assert codes[:10] == [0] * 10 and codes[-5:] == [4402] * 5
        assert (await client.ask("t/0", "set", type="text", value=b"y"))[0] == 0
        wide = await client.subscribe("t/**")
        assert client.refused["subscription", wide] == 4115
        narrow = await client.subscribe("t/0")
        assert client.subscribed[narrow] == 1


async def connected(url):
    """A connection, as soon as there is room: the gateway may not have noticed yet that others are gone."""
    while True:
        client = Client(url)
        try:
            await client.connect()
            return client
        except InvalidStatus as refused:
            assert refused.response.status_code == 503
            await asyncio.sleep(0.01)


async def test_more_connections_than_allowed(tight):
    async with Client(tight) as client:
        others = [await connected(tight) for _ in range(5)]
        with pytest.raises(InvalidStatus) as refused:
            await Client(tight).connect()
        assert refused.value.response.status_code == 503
        for other in others:
            await other.drop()
        await (await connected(tight)).close()
        assert (await client.fetch("none"))[1] is False


async def test_more_messages_than_allowed(tight):
    frames, code = await converse(tight, hello(), *[PONG] * 600)
    assert frames[-1]["code"] == code == 4207


async def test_no_subprotocol_and_no_websocket(url):
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, compression=None)
    assert refused.value.response.status_code == 400
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, subprotocols=["outpour.v9"], compression=None)
    assert refused.value.response.status_code == 400
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, subprotocols=["outpour.v1"], compression=None, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403


async def test_a_client_that_vanishes(url):
    async with Client(url) as bystander:
        for _ in range(20):
            async with connect(url, subprotocols=["outpour.v1"], compression=None) as socket:
                await socket.send(hello() + subscribe(1, b"**") + publish(1))
                socket.transport.abort()
        await still_serves(url, bystander)


async def test_random_messages(url):
    """Whatever is said, the answer is a goodbye with a code of the peer's faults, or nothing yet."""
    async with Client(url) as bystander:
        for seed in range(100):
            random_bytes = random.Random(seed)
            noise = [random_bytes.randbytes(random_bytes.randrange(200)) for _ in range(5)]
            frames, code = await converse(url, hello(), *noise, END)
            assert frames[-1]["frame"] == "goodbye" and code in (4000, 4200, 4201, 4207), (seed, code)
        await still_serves(url, bystander)
