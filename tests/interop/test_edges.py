"""What the page promises at its edges: marks, overlapping selectors, verdicts, transport, and clients that don't read."""

import asyncio
import base64
import os
import random
import urllib.parse

import pytest
from websockets.asyncio.client import connect

import gateway
import wire
from client import Client

GOODBYE = {"frame": "goodbye", "code": 4000, "reason": "", "retry_after": 0, "redirect": "", "speaks": []}


def publish(number, path, value=b"x", **fields):
    frame = {"frame": "publish", "number": number, "naming": "whole", "path": path, "condition": "always"}
    return wire.encode("client", {**frame, "operation": "set", "type": "text", "value": value, **fields})


class Witness(Client):
    """Keeps what it had been told, and its mark, after each message."""

    def __init__(self, url):
        super().__init__(url)
        self.moments = []

    async def handle(self, message):
        await super().handle(message)
        if self.subscribed:
            cursors = {path: topic.cursor for path, topic in self.topics.items()}
            self.moments.append((self.marks.get(0, 0), cursors))


def beat(client):
    topic = client.topics.get("marks/fast/beat")
    return topic.version if topic else 0


async def test_a_mark_covers_all_up_to_it(url):
    """Some topics wait out a rate, and others are told meanwhile: what is at or below the mark has been told."""
    pick = random.Random(5)
    async with Client(url) as client, Witness(url) as witness:
        await witness.subscribe("marks/slow/*", max_rate=100)
        await witness.subscribe("marks/fast/*")
        paths = {}
        for n in range(2000):
            path = f"marks/{pick.choice(['slow', 'fast', 'unselected'])}/{pick.randrange(8)}"
            number = await client.publish(path, "set", type="text", value=b"%d" % n)
            paths[number] = path
            if n % 50 == 49:
                # However slow the machine is, it is told in many messages.
                _, version = await client.ask("marks/fast/beat", "set", type="text", value=b"%d" % n)
                await witness.until(lambda: beat(witness) >= version)
        await client.settled()
        versions = sorted((client.acks[number]["version"], path) for number, path in paths.items())
    for mark, cursors in witness.moments:
        for path in {path for version, path in versions if version <= mark and "unselected" not in path}:
            owed = max(version for version, changed in versions if changed == path and version <= mark)
            assert cursors.get(path, 0) >= owed, (mark, path)
    assert any(0 < mark < max(cursors.values()) for mark, cursors in witness.moments)


async def test_overlapping_selectors_are_told_once(url):
    async with Client(url) as client, Client(url) as follower:
        await client.ask("overlap/a", "append", type="text", value=b"1")
        ids = [await follower.subscribe(selector, start="all") for selector in ["overlap/*", "overlap/a", "**/a"]]
        assert follower.subscribed[ids[0]] == follower.subscribed[ids[1]] == 1
        _, version = await client.ask("overlap/a", "append", type="text", value=b"2")
        await follower.until(lambda: follower.topics["overlap/a"].version >= version)
        assert follower.counts["event"] == 2
        # As long as one subscription selects the topic it goes on, without a break.
        await follower.unsubscribe(ids[0])
        await follower.unsubscribe(ids[2])
        _, version = await client.ask("overlap/a", "append", type="text", value=b"3")
        topic = follower.topics["overlap/a"]
        await follower.until(lambda: topic.version >= version)
        assert [(sequence, value) for sequence, _, value in topic.events] == [(1, b"1"), (2, b"2"), (3, b"3")]
        assert follower.counts["event"] == 3


async def test_a_repair_of_events_tells_all_that_are_kept(url):
    async with Client(url) as client, Client(url) as follower:
        for value in (b"1", b"2", b"3"):
            _, version = await client.ask("repair/events", "append", type="text", value=value)
        await follower.subscribe("repair/events", start={"last": 1})
        topic = follower.topics["repair/events"]
        assert topic.events == [(3, version, b"3")]
        number = topic.number
        await follower.say(frame="repair", topic=number)
        await follower.until(lambda: follower.counts["event"] == 1 + 3)
        assert topic is follower.topics["repair/events"] and topic.number == number
        assert topic.events == [(3, version, b"3")] and not topic.missing


async def test_verdicts_stay_what_they_were(url):
    """All that is sent again on another connection is judged as before, what never reached the log included."""
    path = b"verdicts/a"
    messages = [
        publish(1, path),
        publish(2, path, type="json", value=b"{"),
        publish(3, path, condition="if_absent"),
        publish(4, b"verdicts//a"),
        publish(5, path, operation="remove"),
        publish(6, path, value=b"y"),
    ]
    publisher = os.urandom(16).hex()
    verdicts = []
    for _ in range(2):
        async with Client(url) as client:
            await client.drop()
            client.publisher = publisher
            await client.connect()
            for message in messages:
                await client.socket.send(message)
            verdicts.append([await client.verdict(number) for number in range(1, 7)])
    assert verdicts[0] == verdicts[1]
    assert [code for code, _ in verdicts[0]] == [0, 4102, 4106, 4100, 0, 0]


async def test_a_bad_path_stays_bad_under_its_alias(url):
    async with Client(url) as client:
        await client.socket.send(publish(1, b"a//b", naming={"define": 0}) + publish(2, b"", naming={"alias": 0}))
        assert [await client.verdict(number) for number in (1, 2)] == [(4100, 0), (4100, 0)]


async def test_more_fetches_than_allowed():
    with gateway.serve("[limits]\nmax_fetches_in_flight = 2\n") as url:
        async with Client(url) as client:
            fetches = [{"frame": "fetch", "id": id, "selector": b"**", "limit": 1, "what": "values"} for id in (1, 2, 3)]
            client.fetches = {id: {"items": [], "more": None} for id in (1, 2, 3)}
            await client.socket.send(b"".join(wire.encode("client", fetch) for fetch in fetches))
            await client.until(lambda: client.fetches[1]["more"] is client.fetches[2]["more"] is False)
            await client.until(lambda: client.refused)
            assert client.refused == {("fetch", 3): 4112}
            # Those that were answered make room.
            assert await client.fetch("**") == ([], False)


async def test_nothing_is_heard_behind_a_goodbye(url):
    async with Client(url) as client:
        behind = publish(2, b"behind") + b"\x80"
        await client.socket.send(publish(1, b"before") + wire.encode("client", GOODBYE) + behind)
        assert await client.ended() == 4000
        assert list(client.acks) == [1] and client.acks[1]["code"] == 0
    async with Client(url) as client:
        assert await client.fetch("behind") == ([], False)


async def test_a_client_that_reads_late(url):
    """It asks for much more than what waits in sockets, and only then reads: every answer comes, in whole frames."""
    value = os.urandom(1 << 20)
    async with Client(url) as client:
        assert (await client.ask("late", "set", type="binary", value=value))[0] == 0
    hello = {"frame": "hello", "major": 1, "minor": 0, "publisher": os.urandom(16).hex(), "settled": 0}
    hello |= {"max_message": 32 << 20, "agent": "late"}
    subprotocols = [wire.SUBPROTOCOL]
    async with connect(url, subprotocols=subprotocols, compression=None, max_size=None, max_queue=1) as socket:
        await socket.send(wire.encode("client", hello))
        for id in range(60):
            fetch = {"frame": "fetch", "id": id, "selector": b"late", "limit": 1, "what": "values"}
            await socket.send(wire.encode("client", fetch))
        ended, values = set(), 0
        while len(ended) < 60:
            for frame in wire.decode("gateway", await socket.recv()):
                if frame["frame"] == "fetched":
                    assert frame["value"] == value
                    values += 1
                elif frame["frame"] == "fetch_end":
                    ended.add(frame["id"])
        assert values == 60


@pytest.mark.parametrize("fragments", [2, 1024])
async def test_fragments(url, fragments):
    async with Client(url) as client:
        # The library adds an empty last one.
        pong = wire.encode("client", {"frame": "pong", "token": 5})
        await client.socket.send([pong[:1], *[b""] * (fragments - 3), pong[1:]] if fragments > 2 else [pong])
        assert await client.fetch("fragments") == ([], False)


async def test_too_many_fragments(url):
    async with Client(url) as client:
        await client.socket.send([b""] * 1024)
        assert await client.ended() == 1009
        assert client.goodbye is None


async def test_pings_of_the_transport(url):
    async with Client(url) as client:
        await (await client.socket.ping(b"is anybody there?"))


async def test_bytes_one_at_a_time(url):
    """Where the bytes are cut means nothing: the upgrade and a frame come byte by byte, without any library."""
    host = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(host.hostname, host.port)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET / HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: outpour.v1\r\n\r\n"
    goodbye = wire.encode("client", GOODBYE)
    mask = os.urandom(4)
    frame = bytes([0x82, 0x80 | len(goodbye)]) + mask + bytes(b ^ mask[at % 4] for at, b in enumerate(goodbye))
    for byte in head.encode() + frame:
        writer.write(bytes([byte]))
        await writer.drain()
    response = await reader.readuntil(b"\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 101 ")
    opcode, length = await reader.readexactly(2)
    assert opcode == 0x82 and length < 126
    (answer,) = wire.decode("gateway", await reader.readexactly(length))
    assert (answer["frame"], answer["code"]) == ("goodbye", 4000)
    # A close frame with the same number, and the end.
    assert await reader.readexactly(4) == b"\x88\x02" + (4000).to_bytes(2, "big")
    assert await reader.read() == b""
    writer.close()
