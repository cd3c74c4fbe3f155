"""A client written from docs/protocol.md alone, on the `websockets` package. It knows no Outpour code."""

import asyncio
import contextlib
import os

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import delta
import wire
from names import matches

MAX_MESSAGE = 32 << 20


class ProtocolError(Exception):
    """The gateway said something that it must not say: the code to tell it."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code = code


class Topic:
    """A topic as the client holds it."""

    def __init__(self, path):
        self.path = path
        self.number = None  # in this epoch, on every gateway
        self.announced = False  # on this connection
        self.carried = False  # the hello of this connection said where we are with it
        self.cursor = self.sequence = 0
        self.version = 0
        self.value = None
        self.events = []
        self.missing = []
        self.told_sequence = None
        self.repairing = False
        self.bad_snapshots = 0

    def announce(self, frame, number):
        self.number = number
        self.announced = True
        self.partition = frame["partition"]
        self.kind = frame["topic_kind"]
        self.type = frame["type"]
        self.cursor = frame["version"]
        self.sequence = frame["sequence"]
        self.repairing = False

    def settle(self):
        """Goes back to what the application was told last. Gives its version, or 0 if nothing can be continued."""
        if self.version > self.cursor:
            self.cursor, self.sequence = self.version, self.told_sequence or self.sequence
        return 0 if self.repairing else self.cursor

    def note_missing(self, sequence):
        told = sequence if self.told_sequence is None else self.told_sequence
        if sequence > told:
            self.missing.append((told + 1, sequence))
        self.told_sequence = max(told, sequence)


def fits(value, type):
    if type in ("int64", "double"):
        return len(value) == 8
    if type == "binary":
        return True
    with contextlib.suppress(UnicodeDecodeError):
        value.decode()
        return type == "text" or value != b""
    return False


class Client:
    """One session: what it holds outlives its connections."""

    def __init__(self, url, max_message=MAX_MESSAGE):
        self.url = url
        self.max_message = max_message
        self.publisher = os.urandom(16).hex()
        self.socket = None
        self.welcome = None
        self.goodbye = None
        self.close_code = None
        self.epoch = None
        self.topics = {}  # by path
        self.numbers = {}  # by number; also those that nothing selects any more
        self.marks = {}
        self.resume_marks = {}  # where the next connection goes on from
        self.returning = set()  # subscriptions repeated on this connection that have not been answered
        self.subscriptions = {}  # id: the frame, and whether it has been answered in this epoch
        self.subscribed = {}
        self.ending = {}  # subscriptions whose end has not been answered: the selector, and the last id then
        self.refused = {}
        self.fetches = {}
        self.acks = {}
        self.unacknowledged = {}
        self.last_number = 0
        self.last_id = 0
        self.counts = dict.fromkeys(["messages", "snapshot", "delta", "event", "ping", "repair", "skipped"], 0)
        self.changed = asyncio.Condition()
        self.reader = None

    # Connections

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def connect(self):
        """Connects, or connects again: then subscriptions and unacknowledged publishes are sent again."""
        self.socket = await connect(
            self.url, subprotocols=[wire.SUBPROTOCOL], compression=None, max_size=self.max_message, ping_interval=None
        )
        assert self.socket.subprotocol == wire.SUBPROTOCOL
        if self.welcome and not self.returning:
            self.resume_marks = dict(self.marks)
        self.welcome = self.goodbye = self.close_code = None
        self.ending.clear()
        hello = {
            "frame": "hello",
            "major": wire.MAJOR,
            "minor": wire.MINOR,
            "publisher": self.publisher,
            "settled": min(self.unacknowledged, default=self.last_number + 1) - 1,
            "max_message": self.max_message,
            "agent": "interop",
        }
        for topic in self.topics.values():
            topic.announced = topic.carried = False
        if any(complete for _, complete in self.subscriptions.values()):
            hello["resume"] = self.resume_point()
        frames = [hello]
        for frame, complete in self.subscriptions.values():
            frames.append({**frame, "resume": True} if complete else frame)
        self.returning = set(self.subscriptions)
        await self.socket.send(b"".join(wire.encode("client", frame) for frame in frames))
        self.reader = asyncio.create_task(self.read())
        await self.until(lambda: self.welcome)
        for frame in self.unacknowledged.values():
            await self.say(**frame)

    def resume_point(self):
        exceptions = []
        for topic in self.topics.values():
            resumed = (frame for frame, complete in self.subscriptions.values() if complete)
            if any(matches(frame["selector"].decode(), topic.path) for frame in resumed):
                topic.carried = True
                held = topic.settle()
                if topic.repairing or held > self.resume_marks.get(topic.partition, 0):
                    exceptions.append([topic.number, held])
        marks = [list(mark) for mark in self.resume_marks.items()]
        return {"epoch": self.epoch, "marks": marks, "exceptions": sorted(exceptions)}

    async def say(self, **frame):
        await self.socket.send(wire.encode("client", frame))

    async def read(self):
        try:
            async for message in self.socket:
                await self.handle(message)
                async with self.changed:
                    self.changed.notify_all()
        except ConnectionClosed:
            pass
        except ProtocolError as error:
            await self.leave(error.code, str(error))
        finally:
            self.close_code = self.socket.close_code or 1006
            async with self.changed:
                self.changed.notify_all()

    async def leave(self, code, reason=""):
        await self.say(frame="goodbye", code=code, reason=reason, retry_after=0, redirect="", speaks=[])
        if code != 4000:
            await self.socket.close(code)

    async def close(self):
        """Says goodbye, and waits for the gateway's."""
        with contextlib.suppress(ConnectionClosed):
            await self.leave(4000)
        await self.ended()
        await self.socket.close()
        await self.reader

    async def drop(self):
        """Loses the connection without a word."""
        self.socket.transport.abort()
        await self.reader

    async def ended(self, timeout=30):
        await self.until(lambda: self.close_code, timeout, even_closed=True)
        return self.close_code

    async def until(self, predicate, timeout=30, even_closed=False):
        """Waits until something is so; what the gateway sends may make it so."""

        def settled():
            return predicate() or not even_closed and self.close_code

        async with self.changed, asyncio.timeout(timeout):
            await self.changed.wait_for(settled)
        result = predicate()
        if not result:
            raise ConnectionError(f"closed with {self.close_code}, {self.goodbye}")
        return result

    # What the gateway says

    async def handle(self, message):
        if isinstance(message, str):
            raise ProtocolError(4203, "a text message")
        self.counts["messages"] += 1
        newest, explicit = {}, {}
        try:
            frames = list(wire.decode("gateway", message))
        except wire.WireError as error:
            raise ProtocolError(4200, str(error)) from None
        self.counts["skipped"] += sum(1 for _ in wire.raw_frames(message)) - len(frames)
        for frame in frames:
            name = frame["frame"]
            if self.welcome is None and name not in ("welcome", "goodbye"):
                raise ProtocolError(4201, "the first frame is no welcome")
            if name in self.counts:
                self.counts[name] += 1
            told = await getattr(self, "on_" + name)(frame)
            if told:
                partition, version = told
                newest[partition] = max(newest.get(partition, 0), version)
            if name == "mark":
                explicit[frame["partition"]] = frame["version"]
            if name == "goodbye":
                break
        for partition, version in {**newest, **explicit}.items():
            self.marks[partition] = max(self.marks.get(partition, 0), version)

    async def on_welcome(self, frame):
        if self.welcome or frame["major"] != wire.MAJOR:
            raise ProtocolError(4201, "a second welcome, or one of another version")
        self.welcome = frame
        if frame["epoch"] != self.epoch:
            self.epoch = frame["epoch"]
            self.resume_marks, self.numbers = {}, {}
            for subscription in self.subscriptions.values():
                subscription[1] = False
            for topic in self.topics.values():
                topic.version, topic.told_sequence, topic.number, topic.carried = 0, None, None, False
        self.marks = dict(self.resume_marks)

    async def on_goodbye(self, frame):
        self.goodbye = frame

    async def on_ping(self, frame):
        await self.say(frame="pong", token=frame["token"])

    async def on_pong(self, frame):
        pass

    async def on_move(self, frame):
        pass  # what follows its end serves as well

    async def on_mark(self, frame):
        pass

    async def on_announce(self, frame):
        path, number = frame["path"], frame["topic"]
        held = self.topics.get(path)
        if held is None or held.number not in (number, None):
            held = Topic(path)  # new, or removed and created anew
        if self.selects(path):
            self.topics[path] = held
        held.announce(frame, number)
        if held.kind == "event":
            held.note_missing(held.sequence)
        self.numbers[number] = held

    def selects(self, path):
        return any(matches(frame["selector"].decode(), path) for frame, _ in self.subscriptions.values())

    def topic(self, frame, kind=None):
        if frame["topic"] not in self.numbers:
            raise ProtocolError(4206, "a topic that was never announced")
        topic = self.numbers[frame["topic"]]
        if kind and topic.kind != kind:
            raise ProtocolError(4201, f"{frame['frame']} for a topic of the other kind")
        return topic

    def advance(self, topic, frame):
        topic.cursor += frame["distance"]
        if not frame["distance"] or topic.cursor >= 1 << 64:
            raise ProtocolError(4201, "a distance that leads nowhere")

    async def on_snapshot(self, frame):
        topic = self.topic(frame, "value")
        version, value = frame["version"], frame["value"]
        topic.cursor = version
        topic.repairing = False
        if delta.check(value, version) != frame["check"] or not fits(value, topic.type):
            topic.bad_snapshots += 1
            if topic.bad_snapshots == 3:
                raise ProtocolError(4200, "snapshots whose check is wrong")
            await self.repair(topic)
        else:
            topic.bad_snapshots = 0
            if version > topic.version:
                topic.version, topic.value = version, value
        return topic.partition, version

    async def on_delta(self, frame):
        topic = self.topic(frame, "value")
        base = topic.cursor
        self.advance(topic, frame)
        new = topic.cursor
        if topic.version < new and not topic.repairing:
            value = None
            if topic.version == base:
                with contextlib.suppress(delta.DeltaError):
                    value = delta.apply(topic.value, frame["delta"], self.max_message)
            if value is not None and delta.check(value, new) & 0xFFFF == frame["check"] and fits(value, topic.type):
                topic.version, topic.value = new, value
            else:
                await self.repair(topic)
        return topic.partition, new

    async def repair(self, topic):
        topic.repairing = True
        self.counts["repair"] += 1
        await self.say(frame="repair", topic=topic.number)

    async def on_event(self, frame):
        topic = self.topic(frame, "event")
        self.advance(topic, frame)
        topic.sequence += 1
        if topic.cursor > topic.version:
            topic.version, topic.value, topic.told_sequence = topic.cursor, frame["value"], topic.sequence
            topic.events.append((topic.sequence, topic.cursor, frame["value"]))
        return topic.partition, topic.cursor

    async def on_gap(self, frame):
        topic = self.topic(frame, "event")
        topic.cursor, topic.sequence = frame["version"], frame["sequence"]
        topic.note_missing(topic.sequence)
        return topic.partition, topic.cursor

    async def on_removed(self, frame):
        if frame["topic"] not in self.numbers:
            return None  # it came and went while we were away
        topic = self.numbers.pop(frame["topic"])
        if self.topics.get(topic.path) is topic:
            del self.topics[topic.path]
        return topic.partition, frame["version"]

    async def on_subscribed(self, frame):
        if frame["id"] in self.subscriptions:
            subscription = self.subscriptions[frame["id"]]
            subscription[1] = True
            self.subscribed[frame["id"]] = frame["topics"]
            self.returning.discard(frame["id"])
            # What matches, and was neither carried over nor announced on this connection, is no more.
            selector = subscription[0]["selector"].decode()
            resumed = self.welcome.get("resumed", False)
            self.topics = {
                path: topic
                for path, topic in self.topics.items()
                if topic.announced or resumed and topic.carried or not matches(selector, path)
            }

    async def on_unsubscribed(self, frame):
        selector, last = self.ending.pop(frame["id"])
        # What selected a topic when the end was asked for, whether or not it has ended since.
        there = {id: asked["selector"].decode() for id, (asked, _) in self.subscriptions.items() if id <= last}
        there |= {id: ended for id, (ended, _) in self.ending.items() if id <= last}
        for path, topic in self.topics.items():
            if matches(selector, path) and not any(matches(other, path) for other in there.values()):
                topic.announced = False

    async def on_refused(self, frame):
        self.ending.pop(frame["id"] if frame["request"] == "subscription" else None, None)
        self.refused[frame["request"], frame["id"]] = frame["code"]
        self.returning -= {frame["id"]} if frame["request"] == "subscription" else set()
        self.subscriptions.pop(frame["id"] if frame["request"] == "subscription" else None, None)

    async def on_ack(self, frame):
        self.acks[frame["number"]] = frame
        self.unacknowledged.pop(frame["number"], None)

    async def on_fetched(self, frame):
        self.fetches[frame["id"]]["items"].append(frame)

    async def on_fetch_end(self, frame):
        self.fetches[frame["id"]]["more"] = frame["more"]

    # What the application wants

    async def subscribe(self, selector, max_rate=0, start="live"):
        """Subscribes, and waits until all topics that match have been told."""
        self.last_id += 1
        id = self.last_id
        frame = {"frame": "subscribe", "id": id, "selector": selector.encode(), "max_rate": max_rate, "from": start}
        self.subscriptions[id] = [frame, False]
        self.subscribed.pop(id, None)
        await self.say(**frame)
        await self.until(lambda: id in self.subscribed or ("subscription", id) in self.refused)
        return id

    async def told(self, path, version):
        """Waits until a topic has this version. Gives the topic."""

        def arrived():
            topic = self.topics.get(path)
            return topic if topic and topic.version == version else None

        return await self.until(arrived)

    async def unsubscribe(self, id):
        frame, _ = self.subscriptions.pop(id)
        self.ending[id] = (frame["selector"].decode(), self.last_id)
        self.returning.discard(id)
        self.topics = {path: topic for path, topic in self.topics.items() if self.selects(path)}
        await self.say(frame="unsubscribe", id=id)

    async def publish(self, path, operation, condition="always", naming="whole", **fields):
        """Publishes as soon as the gateway's window allows it. Gives the number."""
        await self.until(lambda: len(self.unacknowledged) < self.welcome["max_in_flight"])
        self.last_number += 1
        number = self.last_number
        frame = {"frame": "publish", "number": number, "naming": "whole", "path": path.encode(), "condition": condition}
        frame |= {"operation": operation, **fields}
        self.unacknowledged[number] = frame
        alias = {key: value for key, value in frame.items() if key != "path" or "alias" not in naming}
        await self.say(**{**alias, "naming": naming})
        return number

    async def verdict(self, number):
        """The verdict on a publish: its code and version."""
        ack = await self.until(lambda: self.acks.get(number))
        return ack["code"], ack["version"]

    async def settled(self):
        await self.until(lambda: not self.unacknowledged)

    async def ask(self, path, operation, condition="always", **fields):
        """Publishes, and gives the verdict."""
        return await self.verdict(await self.publish(path, operation, condition, **fields))

    async def fetch(self, selector, limit=1000, start=None):
        """Fetches values, or events from `start` on: the items, and whether there are more."""
        self.last_id += 1
        id = self.last_id
        fetch = self.fetches[id] = {"items": [], "more": None}
        what = {"what": "events", "from": start} if start else {"what": "values"}
        await self.say(frame="fetch", id=id, selector=selector.encode(), limit=limit, **what)
        await self.until(lambda: fetch["more"] is not None or ("fetch", id) in self.refused)
        return fetch["items"], fetch["more"]
