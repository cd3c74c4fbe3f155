"""Recorded feeds: who follows them with this client ends with exactly the publisher's values and versions."""

import asyncio
import io
import json

import pytest
import zstandard

import gateway
from client import Client

FEEDS = sorted((gateway.PROJECT / "examples" / "feeds").glob("*.jsonl.zst"))
DECODER = json.JSONDecoder()
LAST = 200


def lines(feed):
    with feed.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(file.read())).readall()


def update(line):
    """The topic, type and bytes of a line: of JSON exactly those that stand there."""
    text = line.decode()
    fields = json.loads(text)
    if "text" in fields:
        return fields["topic"], "text", fields["text"].encode()
    start = text.index('"value"', text.index('"topic"') + len(json.dumps(fields["topic"], ensure_ascii=False)))
    start = text.index(":", start) + 1
    start += len(text[start:]) - len(text[start:].lstrip())
    _, end = DECODER.raw_decode(text, start)
    assert json.loads(text[start:end]) == fields["value"]
    return fields["topic"], "json", text[start:end].encode()


def newest(recorded):
    """What each topic holds at the end."""
    values = {}
    for line in recorded.splitlines():
        topic, type, value = update(line)
        values[topic] = type, value
    return values


def held(client):
    return {path: (topic.type, topic.value) for path, topic in client.topics.items()}


def versions(client):
    return {path: topic.version for path, topic in client.topics.items()}


def test_there_are_feeds():
    assert len(FEEDS) >= 3


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name.split(".")[0])
async def test_followed_while_published(feed):
    recorded = lines(feed)
    expected = newest(recorded)
    with gateway.serve() as url:
        async with Client(url) as early, Client(url) as slow:
            await early.subscribe("**")
            await slow.subscribe("**", max_rate=5000)
            updates = recorded.splitlines(keepends=True)
            await asyncio.to_thread(gateway.publish, url, b"".join(updates[:-LAST]))
            # At full speed intermediate values may be skipped. The last ones are published so that every one is told.
            async with Client(url) as publisher:
                for topic, type, value in map(update, updates[-LAST:]):
                    code, version = await publisher.ask(topic, "set", type=type, value=value)
                    assert code == 0
                    assert (await early.told(topic, version)).value == value
            async with Client(url) as late:
                await late.subscribe("**")
                assert held(late) == expected
                assert late.counts["delta"] == 0
                # A value may have been set again to what it was, so versions tell more than values.
                for client in (early, slow):
                    await client.until(lambda: versions(client) == versions(late))
                    assert held(client) == expected
                items, more = await late.fetch("**", limit=1 << 32)
                assert {item["path"]: (item["type"], item["value"]) for item in items} == expected
                assert {item["path"]: item["version"] for item in items} == versions(late)
                assert not more
            assert early.counts["delta"] >= LAST // 2
            assert early.counts["repair"] == slow.counts["repair"] == 0


async def test_published_from_here():
    """The other way round: with aliases, and over two connections."""
    recorded = lines(next(feed for feed in FEEDS if "binance" in feed.name)).splitlines()
    with gateway.serve() as url:
        async with Client(url) as follower, Client(url) as publisher:
            await follower.subscribe("**")
            aliases, numbers, expected = {}, {}, {}
            for at, line in enumerate(recorded):
                if at == len(recorded) // 2:
                    await publisher.drop()
                    await publisher.connect()
                    aliases = {}
                topic, type, value = update(line)
                alias = aliases.get(topic)
                naming = {"define": aliases.setdefault(topic, len(aliases))} if alias is None else {"alias": alias}
                numbers[topic] = await publisher.publish(topic, "set", naming=naming, type=type, value=value)
                expected[topic] = type, value
            await publisher.settled()
            assert len(publisher.acks) == len(recorded)
            assert all(ack["code"] == 0 for ack in publisher.acks.values())
            acknowledged = {topic: publisher.acks[number]["version"] for topic, number in numbers.items()}
            await follower.until(lambda: versions(follower) == acknowledged)
            assert held(follower) == expected
