"""The frames of docs/protocol.md, as dictionaries: `encode` and `decode`.

The tables at the end are those of the document, field by field. A dictionary has the frame's name under
"frame" and the fields under the names that the document gives them.
"""

MAJOR = 1
MINOR = 0
SUBPROTOCOL = "outpour.v1"
MAX_TEXT = 1024
MAX_PATH = 1024
MAX_BYTES = 64 << 20


class WireError(Exception):
    """Bytes that are not a frame."""


def write_varint(number):
    if not 0 <= number < 1 << 64:
        raise ValueError(number)
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Reader:
    """Takes fields off the front of some bytes."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def __bool__(self):
        return self.at < len(self.data)

    def take(self, length):
        if length > len(self.data) - self.at:
            raise WireError("truncated")
        self.at += length
        return self.data[self.at - length : self.at]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift == 70:
                raise WireError("overlong")
        if number >= 1 << 64 or byte == 0 and shift > 7:
            raise WireError("overlong")
        return number


class Varint:
    def __init__(self, bits=64):
        self.end = 1 << bits

    def write(self, number):
        return write_varint(number)

    def read(self, reader):
        number = reader.varint()
        if number >= self.end:
            raise WireError("out of range")
        return number


class Fixed:
    """A number of a fixed size, least significant byte first."""

    def __init__(self, size):
        self.size = size

    def write(self, number):
        return number.to_bytes(self.size, "little")

    def read(self, reader):
        return int.from_bytes(reader.take(self.size), "little")


class Code:
    """One byte that stands for a name."""

    def __init__(self, *names):
        self.names = names

    def write(self, name):
        return bytes([self.names.index(name)])

    def read(self, reader):
        code = reader.take(1)[0]
        if code >= len(self.names):
            raise WireError("unknown")
        return self.names[code]


class Tagged(Code):
    """One byte that stands for a name; some names have a number behind them: {name: number}."""

    def __init__(self, *names, numbered):
        super().__init__(*names)
        self.numbered = numbered

    def write(self, choice):
        if isinstance(choice, str):
            return super().write(choice)
        ((name, number),) = choice.items()
        return super().write(name) + write_varint(number)

    def read(self, reader):
        name = super().read(reader)
        return {name: reader.varint()} if name in self.numbered else name


class Flags:
    """One byte whose bits stand for names."""

    def __init__(self, *names):
        self.names = names

    def write(self, flags):
        return bytes([sum(1 << bit for bit, name in enumerate(self.names) if name in flags)])

    def read(self, reader):
        byte = reader.take(1)[0]
        if byte >> len(self.names):
            raise WireError("unknown")
        return [name for bit, name in enumerate(self.names) if byte >> bit & 1]


class Identity:
    """16 bytes."""

    def write(self, text):
        return bytes.fromhex(text)

    def read(self, reader):
        return reader.take(16).hex()


class Bytes:
    """Bytes with their length before them."""

    def __init__(self, limit=MAX_BYTES):
        self.limit = limit

    def write(self, data):
        return write_varint(len(data)) + data

    def read(self, reader):
        length = reader.varint()
        if length > self.limit:
            raise WireError("too long")
        return reader.take(length)


class Text(Bytes):
    def write(self, text):
        return super().write(text.encode())

    def read(self, reader):
        try:
            return super().read(reader).decode()
        except UnicodeDecodeError:
            raise WireError("not UTF-8") from None


class Rest:
    """All that is left."""

    def write(self, data):
        return data

    def read(self, reader):
        return reader.rest()


class Tail:
    """All that is left, as text."""

    def write(self, text):
        return text.encode()

    def read(self, reader):
        try:
            return reader.rest().decode()
        except UnicodeDecodeError:
            raise WireError("not UTF-8") from None


class List:
    """Up to 16 numbers."""

    def write(self, numbers):
        return b"".join(map(write_varint, [len(numbers), *numbers]))

    def read(self, reader):
        length = reader.varint()
        if length > 16:
            raise WireError("too long")
        return [reader.varint() for _ in range(length)]


class Naming:
    """How a publish names its topic."""

    def write(self, naming):
        if naming == "whole":
            return write_varint(0)
        ((form, alias),) = naming.items()
        return write_varint(alias * 2 + {"define": 1, "alias": 2}[form])

    def read(self, reader):
        number = reader.varint()
        if number == 0:
            return "whole"
        alias, form = divmod(number - 1, 2)
        if alias >= 1 << 32:
            raise WireError("out of range")
        return {("define", "alias")[form]: alias}


class Entries:
    """Up to 4,096 pairs of a number and a version; in rising order of the numbers if they must be."""

    def __init__(self, rising=False):
        self.rising = rising

    def write(self, entries):
        return write_varint(len(entries)) + b"".join(map(write_varint, (part for entry in entries for part in entry)))

    def read(self, reader):
        length = reader.varint()
        if length > 4096:
            raise WireError("too long")
        entries = [[ID.read(reader), reader.varint()] for _ in range(length)]
        numbers = [number for number, _ in entries]
        if self.rising and sorted(set(numbers)) != numbers:
            raise WireError("out of order")
        return entries


class ResumePoint:
    def fields(self):
        return [("epoch", Identity()), ("marks", Entries()), ("exceptions", Entries(rising=True))]

    def write(self, point):
        return b"".join(field.write(point[name]) for name, field in self.fields())

    def read(self, reader):
        return {name: field.read(reader) for name, field in self.fields()}


class Flag:
    """Nothing: being there is all it says."""

    def write(self, flag):
        return b""

    def read(self, reader):
        reader.rest()
        return True


class Extensions:
    """Fields that may be left out; what a newer minor version may have added is skipped."""

    def __init__(self, **known):
        self.known = known

    def write(self, frame):
        fields = [(tag, field.write(frame[name])) for name, (tag, field) in self.known.items() if name in frame]
        return b"".join(write_varint(tag) + Bytes().write(data) for tag, data in fields)

    def read(self, reader):
        names = {tag: (name, field) for name, (tag, field) in self.known.items()}
        fields = {}
        while reader:
            tag, content = reader.varint(), Reader(Bytes().read(reader))
            if tag in names:
                name, field = names[tag]
                fields[name] = field.read(content)
                if content:
                    raise WireError("trailing")
        return fields


ID = Varint(32)
TOPIC_KIND = Code("value", "event")
TYPE = Code("json", "text", "binary", "int64", "double")
FROM = Tagged("live", "last", "all", "after", numbered=("last", "after"))
EXTENSIONS = ("extensions", Extensions())

GOODBYE = [
    ("code", Varint(16)),
    ("reason", Text(MAX_TEXT)),
    ("retry_after", Varint()),
    ("redirect", Text(MAX_TEXT)),
    ("speaks", List()),
    EXTENSIONS,
]

OPERATIONS = {
    "set": [("type", TYPE), ("value", Rest())],
    "append": [("type", TYPE), ("value", Rest())],
    "delta": [("base", Varint()), ("check", Fixed(4)), ("delta", Rest())],
    "json_patch": [("patch", Rest())],
    "merge_patch": [("patch", Rest())],
    "remove": [],
    "create": [
        ("topic_kind", TOPIC_KIND),
        ("type", TYPE),
        ("flags", Flags("retain", "conflate")),
        ("history", Varint()),
        ("history_age", Varint()),
        EXTENSIONS,
    ],
}

# A function in place of a field gives the fields that follow, which depend on those before.
CLIENT = {
    1: (
        "hello",
        [
            ("major", Varint()),
            ("minor", Varint()),
            lambda frame: (
                [
                    ("publisher", Identity()),
                    ("settled", Varint()),
                    ("max_message", Varint()),
                    ("agent", Text(MAX_TEXT)),
                    ("extensions", Extensions(resume=(1, ResumePoint()), credentials=(2, Rest()))),
                ]
                if frame["major"] == MAJOR
                else [("unread", Rest())]
            ),
        ],
    ),
    2: (
        "subscribe",
        [
            ("id", ID),
            ("selector", Bytes()),
            ("max_rate", Varint()),
            ("from", FROM),
            ("extensions", Extensions(resume=(1, Flag()), resume_partly=(2, Flag()))),
        ],
    ),
    3: ("unsubscribe", [("id", ID)]),
    4: (
        "publish",
        [
            ("number", Varint()),
            ("naming", Naming()),
            lambda frame: [] if "alias" in frame["naming"] else [("path", Bytes())],
            ("condition", Tagged("always", "if_absent", "if_version", numbered=("if_version",))),
            ("operation", Code(*OPERATIONS)),
            lambda frame: OPERATIONS[frame["operation"]],
        ],
    ),
    5: (
        "fetch",
        [
            ("id", ID),
            ("selector", Bytes()),
            ("limit", Varint()),
            ("what", Code("values", "events")),
            lambda frame: [("from", FROM)] if frame["what"] == "events" else [],
            EXTENSIONS,
        ],
    ),
    6: ("repair", [("topic", ID)]),
    7: ("pong", [("token", Varint())]),
    8: ("goodbye", GOODBYE),
    9: ("ping", [("token", Varint())]),
}

GATEWAY = {
    1: ("delta", [("topic", ID), ("distance", Varint()), ("check", Fixed(2)), ("delta", Rest())]),
    2: ("snapshot", [("topic", ID), ("version", Varint()), ("check", Fixed(4)), ("value", Rest())]),
    3: ("event", [("topic", ID), ("distance", Varint()), ("value", Rest())]),
    4: (
        "announce",
        [
            ("topic", ID),
            ("partition", ID),
            ("topic_kind", TOPIC_KIND),
            ("type", TYPE),
            ("version", Varint()),
            ("sequence", Varint()),
            ("path", Text(MAX_PATH)),
            EXTENSIONS,
        ],
    ),
    5: ("removed", [("topic", ID), ("version", Varint())]),
    6: ("gap", [("topic", ID), ("version", Varint()), ("sequence", Varint())]),
    7: ("mark", [("partition", ID), ("version", Varint())]),
    8: ("ack", [("number", Varint()), ("code", Varint(16)), ("version", Varint())]),
    9: ("ping", [("token", Varint())]),
    10: (
        "welcome",
        [
            ("major", Varint()),
            ("minor", Varint()),
            ("epoch", Identity()),
            ("heartbeat", Varint()),
            ("max_message", Varint()),
            ("max_value", Varint()),
            ("max_in_flight", Varint()),
            ("max_subscriptions", Varint()),
            ("applied", Varint()),
            ("extensions", Extensions(resumed=(1, Flag()), principal=(2, Tail()))),
        ],
    ),
    11: ("subscribed", [("id", ID), ("topics", Varint())]),
    12: (
        "fetched",
        [
            ("id", ID),
            ("path", Text(MAX_PATH)),
            ("topic_kind", TOPIC_KIND),
            ("type", TYPE),
            ("version", Varint()),
            ("sequence", Varint()),
            ("value", Rest()),
        ],
    ),
    13: ("fetch_end", [("id", ID), ("more", Code(False, True))]),
    14: (
        "refused",
        [
            ("request", Code("subscription", "fetch")),
            ("id", ID),
            ("code", Varint(16)),
            ("reason", Text(MAX_TEXT)),
            EXTENSIONS,
        ],
    ),
    16: ("goodbye", GOODBYE),
    17: ("move", [("within", Varint()), ("redirect", Text(MAX_TEXT)), EXTENSIONS]),
    18: ("pong", [("token", Varint())]),
    19: ("unsubscribed", [("id", ID)]),
}

DIRECTIONS = {"client": CLIENT, "gateway": GATEWAY}
KINDS = {
    direction: {name: (kind, fields) for kind, (name, fields) in table.items()}
    for direction, table in DIRECTIONS.items()
}


def expand(fields, frame):
    """The fields of a frame, as those before tell what follows."""
    for field in fields:
        if callable(field):
            yield from expand(field(frame), frame)
        else:
            yield field


def encode_raw(kind, body):
    if kind >= 15:
        body = write_varint(kind) + body
    return write_varint(len(body) * 16 + min(kind, 15)) + body


def encode(direction, frame):
    kind, fields = KINDS[direction][frame["frame"]]
    body = b""
    for name, field in expand(fields, frame):
        if name == "extensions":
            body += field.write(frame)
        elif name != "unread":
            body += field.write(frame[name])
    return encode_raw(kind, body)


def raw_frames(message):
    """The frames of a message, as (kind, body)."""
    reader = Reader(message)
    while reader:
        length, kind = divmod(reader.varint(), 16)
        body = Reader(reader.take(length))
        if kind == 15:
            kind = body.varint()
            if kind < 15:
                raise WireError("overlong")
        yield kind, body


def decode(direction, message):
    """The frames of a message, without those of unknown kinds."""
    for kind, body in raw_frames(message):
        if kind not in DIRECTIONS[direction]:
            continue
        name, fields = DIRECTIONS[direction][kind]
        frame = {"frame": name}
        for field_name, field in expand(fields, frame):
            value = field.read(body)
            if field_name == "extensions":
                frame.update(value)
            elif field_name != "unread":
                frame[field_name] = value
        if body:
            raise WireError("trailing")
        yield frame
