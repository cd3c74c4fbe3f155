"""What docs/protocol.md promises to a client that keeps to it, against the real gateway."""

import asyncio
import json
import struct

import pytest

import delta
import gateway
from client import Client

JSON_VALUE = b'{"bid": 1.50, "ask": 2e0}'


async def test_every_type_comes_back_as_it_was_set(url):
    values = {
        "json": JSON_VALUE,
        "text": "grüße".encode(),
        "binary": bytes(range(256)),
        "int64": struct.pack("<q", -(1 << 63)),
        "double": struct.pack("<d", 0.1),
    }
    async with Client(url) as client:
        await client.subscribe("types/*")
        for type, value in values.items():
            code, version = await client.ask(f"types/{type}", "set", type=type, value=value)
            assert code == 0
            topic = await client.told(f"types/{type}", version)
            assert (topic.kind, topic.type, topic.value) == ("value", type, value)
        items, more = await client.fetch("types/**")
        assert {item["path"].removeprefix("types/"): item["value"] for item in items} == values and not more


async def test_conditions(url):
    async with Client(url) as client:
        value = {"type": "text", "value": b"x"}
        assert await client.ask("conditions/a", "set", {"if_version": 1}, **value) == (4107, 0)
        code, first = await client.ask("conditions/a", "set", "if_absent", **value)
        assert code == 0
        assert await client.ask("conditions/a", "set", "if_absent", **value) == (4106, first)
        assert await client.ask("conditions/a", "set", {"if_version": first + 1}, **value) == (4105, first)
        code, second = await client.ask("conditions/a", "set", {"if_version": first}, **value)
        assert code == 0 and second > first
        assert await client.ask("conditions/a", "remove", {"if_version": first}) == (4105, second)
        assert (await client.ask("conditions/a", "remove", {"if_version": second}))[0] == 0
        assert (await client.ask("conditions/a", "remove"))[0] == 4107
        assert (await client.ask("conditions/a", "set", "if_absent", **value))[0] == 0


async def test_what_does_not_fit_is_refused_and_changes_nothing(url):
    async with Client(url) as client:
        _, version = await client.ask("fits/value", "set", type="json", value=b"{}")
        await client.ask("fits/events", "append", type="text", value=b"1")
        create = {"topic_kind": "value", "type": "json", "flags": [], "history": 0, "history_age": 0}
        rows = [
            ("fits/value", "set", {"type": "text", "value": b"{}"}, 4103),
            ("fits/value", "set", {"type": "json", "value": b"{"}, 4102),
            ("fits/value", "set", {"type": "json", "value": b""}, 4102),
            ("fits/value", "append", {"type": "json", "value": b"{}"}, 4104),
            ("fits/events", "set", {"type": "text", "value": b"{}"}, 4104),
            ("fits/events", "append", {"type": "json", "value": b"{}"}, 4103),
            ("fits/events", "append", {"type": "text", "value": b"\xff"}, 4102),
            ("fits/value", "set", {"type": "int64", "value": b"1234567"}, 4102),
            ("fits/value", "create", create, 4106),
            ("fits/new", "create", {**create, "history": 1_000_001}, 4113),
            ("fits/value", "json_patch", {"patch": b'[{"op":"remove","path":"/a"}]'}, 4108),
            ("fits/value", "json_patch", {"patch": b"["}, 4108),
            ("fits/value", "merge_patch", {"patch": b"{"}, 4108),
            ("fits/events", "merge_patch", {"patch": b"{}"}, 4104),
            ("fits/none", "merge_patch", {"patch": b"{}"}, 4107),
            ("fits/none", "delta", {"base": 1, "check": 0, "delta": b"\1"}, 4111),
            ("fits//value", "set", {"type": "json", "value": b"{}"}, 4100),
            ("/fits", "remove", {}, 4100),
            ("fits/*", "remove", {}, 4100),
            ("", "remove", {}, 4100),
            ("f" * 1025, "remove", {}, 4100),
            ("fits/value", "set", {"type": "text", "value": bytes(client.welcome["max_value"] + 1)}, 4109),
        ]
        for path, operation, fields, code in rows:
            assert (await client.ask(path, operation, **fields))[0] == code, (path, operation, fields)
        (item,), _ = await client.fetch("fits/value")
        assert (item["version"], item["value"]) == (version, b"{}")
        assert (await client.fetch("fits/n*"))[0] == []


async def test_patches(url):
    async with Client(url) as client:
        await client.subscribe("patches")
        await client.ask("patches", "set", type="json", value=b'{"a":1.10,"b":[1]}')
        await client.ask("patches", "json_patch", patch=b'[{"op":"add","path":"/b/-","value":2}]')
        await client.ask("patches", "merge_patch", patch=b'{"c":{"d":null,"e":1e3}}')
        _, version = await client.ask("patches", "merge_patch", patch=b'{"a":null}')
        topic = await client.told("patches", version)
        # The text is the gateway's to choose.
        assert json.loads(topic.value) == {"b": [1, 2], "c": {"e": 1000}}


async def test_upstream_deltas(url):
    async with Client(url) as client, Client(url) as other:
        await other.subscribe("upstream")
        old, new = b'{"state":"new","note":"something long"}', b'{"state":"paid","note":"something long"}'
        change = {"delta": bytes.fromhex("1441") + b"paid", "check": delta.plain_check(new)}
        assert delta.apply(old, change["delta"], 1000) == new
        # The delta does not wait for the verdict on its base.
        base = await client.publish("upstream", "set", type="json", value=old)
        code, version = await client.ask("upstream", "delta", base=base, **change)
        assert code == 0
        assert (await other.told("upstream", version)).value == new
        # The base is not what the topic holds any more; nor is it after somebody else's publish; the check is wrong.
        assert await client.ask("upstream", "delta", base=base, **change) == (4111, version)
        _, version = await other.ask("upstream", "set", type="json", value=old)
        assert await client.ask("upstream", "delta", base=base, **change) == (4111, version)
        base = await client.publish("upstream", "set", type="json", value=old)
        wrong = {**change, "check": change["check"] ^ 1}
        assert (await client.ask("upstream", "delta", base=base, **wrong))[0] == 4111
        assert (await client.ask("upstream", "delta", base=base, **change))[0] == 0


async def test_a_replica_that_went_wrong_is_repaired(url):
    async with Client(url) as client:
        await client.subscribe("repair")
        value = b'{"n":%d,"text":"what stays the same in every version"}'
        _, version = await client.ask("repair", "set", type="json", value=value % 0)
        topic = await client.told("repair", version)
        snapshots = client.counts["snapshot"]
        for n, spoil in enumerate([lambda: value % 7 + b" ", lambda: topic.value[:-1] + b"?", lambda: b""], 1):
            topic.value = spoil()
            _, version = await client.ask("repair", "set", type="json", value=value % n)
            assert await client.told("repair", version) is topic
            assert topic.value == value % n
            assert client.counts["repair"] == n and client.counts["snapshot"] == snapshots + n
        # A repair that is not needed is answered as well, and one of another topic is ignored.
        await client.say(frame="repair", topic=topic.number)
        await client.say(frame="repair", topic=1 << 20)
        await client.until(lambda: client.counts["snapshot"] == snapshots + 4)
        assert topic.value == value % 3


async def test_events_and_their_history(url):
    async with Client(url) as client:
        appended = []
        for n in range(10):
            _, version = await client.ask("events/a", "append", type="text", value=b"%d" % n)
            appended.append((n + 1, version, b"%d" % n))
        for start, expected in [
            ("live", slice(0)),
            ({"last": 3}, slice(-3, None)),
            ({"last": 100}, slice(None)),
            ("all", slice(None)),
            ({"after": appended[5][1]}, slice(6, None)),
            ({"after": appended[9][1]}, slice(10, None)),
        ]:
            expected = appended[expected]
            async with Client(url) as follower:
                await follower.subscribe("events/*", start=start)
                topic = follower.topics["events/a"]
                assert topic.events == expected, start
                _, version = await client.ask("events/a", "append", type="text", value=b"more")
                assert await follower.told("events/a", version) is topic
                assert topic.events[len(expected) :] == [(len(appended) + 1, version, b"more")]
                appended.append(topic.events[-1])
            items, more = await client.fetch("events/**", start=start if start != "live" else {"last": 0})
            fetched = [(item["sequence"], item["version"], item["value"]) for item in items]
            assert not more and fetched == appended[len(appended) - len(fetched) :]
        items, more = await client.fetch("events/**", limit=2, start="all")
        assert [item["sequence"] for item in items] == [1, 2] and more


async def test_events_that_are_gone_are_named(url):
    create = {"topic_kind": "event", "type": "text", "flags": ["retain"], "history": 5, "history_age": 0}
    async with Client(url) as client, Client(url) as follower:
        await client.ask("gap", "create", **create)
        # At the most one telling a second.
        await follower.subscribe("gap", max_rate=1000)
        topic = follower.topics["gap"]
        await client.ask("gap", "append", type="text", value=b"1")
        await follower.until(lambda: topic.events)
        for n in range(2, 21):
            await client.publish("gap", "append", type="text", value=b"%d" % n)
        await client.settled()
        await follower.until(lambda: topic.told_sequence == 20)
        # Where the first of them could be told at once there are two gaps.
        told = [sequence for sequence, _, _ in topic.events]
        missing = [sequence for first, last in topic.missing for sequence in range(first, last + 1)]
        assert sorted(told + missing) == list(range(1, 21)) and told[-5:] == list(range(16, 21)) and missing
        assert all(value == b"%d" % sequence for sequence, _, value in topic.events)
        # The same over a lost connection.
        await follower.drop()
        for n in range(21, 41):
            await client.publish("gap", "append", type="text", value=b"%d" % n)
        await client.settled()
        gaps = len(topic.missing)
        await follower.connect()
        await follower.until(lambda: topic.told_sequence == 40)
        assert topic.missing[gaps:] == [(21, 35)]
        assert [sequence for sequence, _, _ in topic.events][-5:] == list(range(36, 41))


async def test_a_follower_that_comes_back_misses_nothing(url):
    async with Client(url) as client, Client(url) as follower:
        await follower.subscribe("back/**", start="all")
        for round in range(5):
            for n in range(10):
                await client.publish("back/events", "append", type="int64", value=struct.pack("<q", round * 10 + n))
                await client.publish(f"back/value/{round}", "set", type="int64", value=struct.pack("<q", n))
            await client.publish(f"back/value/{round - 1}", "remove")
            if round % 2:
                await follower.drop()
                await client.settled()
                await follower.connect()
        await client.settled()
        await follower.until(
            lambda: "back/events" in follower.topics and len(follower.topics["back/events"].events) == 50
        )
        events = follower.topics["back/events"].events
        assert [sequence for sequence, _, _ in events] == list(range(1, 51))
        assert [struct.unpack("<q", value)[0] for _, _, value in events] == list(range(50))
        assert not follower.topics["back/events"].missing
        await follower.until(lambda: set(follower.topics) == {"back/events", "back/value/4"})
        await follower.until(lambda: follower.topics["back/value/4"].value == struct.pack("<q", 9))


async def test_publishing_is_exactly_once(url):
    async with Client(url) as client, Client(url) as follower:
        await follower.subscribe("once", start="all")
        for n in range(100):
            await client.publish("once", "append", type="text", value=b"%d" % n)
            if n % 20 == 10:
                # Whatever has been acknowledged by now: what is left is sent again under its number.
                await client.drop()
                await client.connect()
        await client.settled()
        await follower.until(lambda: "once" in follower.topics and len(follower.topics["once"].events) >= 100)
        assert [value for _, _, value in follower.topics["once"].events] == [b"%d" % n for n in range(100)]
        # What was settled long ago gets its verdict again.
        first = {"frame": "publish", "number": 1, "naming": "whole", "path": b"once", "condition": "always"}
        first |= {"operation": "append", "type": "text", "value": b"0"}
        version = client.acks.pop(1)["version"]
        await client.drop()
        client.unacknowledged[1] = first
        await client.connect()
        assert await client.verdict(1) == (0, version)
        assert client.welcome["applied"] == 100


async def test_removal_and_a_new_life(url):
    async with Client(url) as client, Client(url) as follower:
        await follower.subscribe("lives/*")
        _, version = await client.ask("lives/a", "set", type="text", value=b"first life")
        first = await follower.told("lives/a", version)
        await client.ask("lives/a", "remove")
        await follower.until(lambda: not follower.topics)
        _, version = await client.ask("lives/a", "append", type="json", value=b"{}")
        second = await follower.told("lives/a", version)
        assert second.number != first.number and second.events == [(1, version, b"{}")]
        # While the follower is away as well.
        await follower.drop()
        await client.ask("lives/a", "remove")
        _, version = await client.ask("lives/a", "append", type="json", value=b"[]")
        await follower.connect()
        third = await follower.told("lives/a", version)
        assert third is not second
        assert [(sequence, value) for sequence, _, value in third.events] == [(1, b"[]")] and not third.missing


async def test_only_what_changed_is_told_after_a_lost_connection(url):
    async with Client(url) as client, Client(url) as follower:
        value = b"a value that is long enough for a delta to pay, and longer than that: %d"
        for n in range(50):
            await client.publish(f"again/{n}", "set", type="text", value=value % n)
        await client.settled()
        id = await follower.subscribe("again/*")
        await follower.drop()
        held = dict(follower.topics)
        counts = dict(follower.counts)
        _, changed = await client.ask("again/7", "set", type="text", value=value % 777)
        await client.ask("again/8", "remove")
        _, created = await client.ask("again/new", "set", type="text", value=b"new")
        await follower.connect()
        await follower.until(lambda: not follower.returning)
        assert follower.welcome["resumed"]
        assert (await follower.told("again/7", changed)).value == value % 777
        assert (await follower.told("again/new", created)).announced
        assert "again/8" not in follower.topics and follower.subscribed[id] == 50
        assert [follower.counts[name] - counts[name] for name in ("delta", "snapshot", "repair")] == [1, 1, 0]
        assert [path for path, topic in follower.topics.items() if topic.announced] == ["again/new"]
        assert all(follower.topics[path] is topic for path, topic in held.items() if path != "again/8")
        # What follows counts on from what is held.
        _, version = await client.ask("again/30", "set", type="text", value=value % 3030)
        await follower.told("again/30", version)
        assert follower.counts["delta"] - counts["delta"] == 2 and follower.counts["repair"] == counts["repair"]


async def test_subscriptions_end(url):
    async with Client(url) as client:
        first = await client.subscribe("ends/*")
        second = await client.subscribe("ends/a")
        assert client.subscribed[first] == client.subscribed[second] == 0
        for path in ["ends/a", "ends/b"]:
            await client.ask(path, "set", type="text", value=b"1")
        await client.until(lambda: set(client.topics) == {"ends/a", "ends/b"})
        assert client.topics["ends/a"].number != client.topics["ends/b"].number
        await client.unsubscribe(first)
        _, version = await client.ask("ends/b", "set", type="text", value=b"2")
        _, version = await client.ask("ends/a", "set", type="text", value=b"2")
        await client.told("ends/a", version)
        assert set(client.topics) == {"ends/a"}
        # Selected again, it is told again.
        await client.subscribe("ends/b")
        assert client.topics["ends/b"].value == b"2"


async def test_what_is_not_retained_is_told_from_the_next_change_on(url):
    create = {"topic_kind": "value", "type": "text", "flags": ["conflate"], "history": 0, "history_age": 0}
    async with Client(url) as client, Client(url) as follower:
        await client.ask("fleeting", "create", **create)
        await client.ask("fleeting", "set", type="text", value=b"nobody hears this")
        await follower.subscribe("fleeting")
        assert follower.topics["fleeting"].value is None
        assert await follower.fetch("fleeting") == ([], False)
        _, version = await client.ask("fleeting", "set", type="text", value=b"but this")
        assert (await follower.told("fleeting", version)).value == b"but this"


async def test_fetch_keeps_to_its_limit(url):
    async with Client(url) as client:
        for n in range(20):
            await client.publish(f"limit/{n}", "set", type="text", value=b"x")
        await client.settled()
        for limit, count, more in [(0, 0, True), (7, 7, True), (20, 20, False), (1 << 63, 20, False)]:
            items, said = await client.fetch("limit/*", limit=limit)
            assert (len(items), said) == (count, more)
        assert await client.fetch("nothing/**", limit=0) == ([], False)


async def test_goodbye_is_answered_when_all_is_acknowledged(url):
    async with Client(url) as client:
        numbers = [await client.publish("leaving", "append", type="text", value=b"x") for _ in range(20)]
        await client.leave(4000)
        assert await client.ended() == 4000
        assert client.goodbye["code"] == 4000
        assert [client.acks[number]["code"] for number in numbers] == [0] * 20


async def test_pings_are_answered():
    with gateway.serve('[limits]\nheartbeat = "1s"\n') as url:
        async with Client(url) as client:
            assert client.welcome["heartbeat"] == 1000
            await client.until(lambda: client.counts["ping"] >= 3)
            assert (await client.ask("alive", "set", type="text", value=b"x"))[0] == 0


async def test_a_gateway_that_shuts_down_says_when_to_come_back():
    serving = gateway.serve('retry_after = "3s"\n')
    client = Client(serving.__enter__())
    await client.connect()
    # The gateway waits for its clients to take their leave.
    await asyncio.to_thread(serving.__exit__, None, None, None)
    assert await client.ended() == 4400
    assert (client.goodbye["code"], client.goodbye["retry_after"]) == (4400, 3000)


@pytest.mark.parametrize("size", [0, 1, 100, 70_000, 1 << 20])
async def test_values_of_every_size(url, size):
    async with Client(url) as client:
        await client.subscribe(f"sizes/{size}")
        for byte in b"ab":
            value = bytes([byte]) * size
            code, version = await client.ask(f"sizes/{size}", "set", type="binary", value=value)
            assert code == 0
            assert (await client.told(f"sizes/{size}", version)).value == value
