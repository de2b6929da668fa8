"""A small AMQP 0-9-1 speaker that hides nothing: every frame it sends and gets becomes a line of a
transcript. Clients of the trade answer for their user, repair and retry; a test of what a broker says
needs one that does not.

    talk = Transcript()
    with Connection(talk, broker) as connection:
        channel = connection.channel(1)
        channel("queue.declare", queue="q")          # sends, and reads the answer if one is due
        channel.publish("", "q", b"x", headers={"n": 1})
        channel("basic.get", queue="q")
        channel.read()                               # the next event of the channel, whatever it is
"""
import collections
import re
import select
import socket
import struct
import time
import zlib

# class and method number, name, arguments. Types: o octet, h short, l long, L long long, s short string,
# S long string, F table, b bit; a name in brackets is reserved and always empty.
_METHODS = """
10.10 connection.start version_major:o version_minor:o server_properties:F mechanisms:S locales:S
10.11 connection.start-ok client_properties:F mechanism:s response:S locale:s
10.20 connection.secure challenge:S
10.21 connection.secure-ok response:S
10.30 connection.tune channel_max:h frame_max:l heartbeat:h
10.31 connection.tune-ok channel_max:h frame_max:l heartbeat:h
10.40 connection.open virtual_host:s [1]:s [2]:b
10.41 connection.open-ok [1]:s
10.50 connection.close reply_code:h reply_text:s class_id:h method_id:h
10.51 connection.close-ok
10.60 connection.blocked reason:s
10.61 connection.unblocked
10.70 connection.update-secret new_secret:S reason:s
10.71 connection.update-secret-ok
20.10 channel.open [1]:s
20.11 channel.open-ok [1]:S
20.20 channel.flow active:b
20.21 channel.flow-ok active:b
20.40 channel.close reply_code:h reply_text:s class_id:h method_id:h
20.41 channel.close-ok
30.10 access.request realm:s exclusive:b passive:b active:b write:b read:b
30.11 access.request-ok ticket:h
40.10 exchange.declare [1]:h exchange:s type:s passive:b durable:b auto_delete:b internal:b nowait:b arguments:F
40.11 exchange.declare-ok
40.20 exchange.delete [1]:h exchange:s if_unused:b nowait:b
40.21 exchange.delete-ok
40.30 exchange.bind [1]:h destination:s source:s routing_key:s nowait:b arguments:F
40.31 exchange.bind-ok
40.40 exchange.unbind [1]:h destination:s source:s routing_key:s nowait:b arguments:F
40.51 exchange.unbind-ok
50.10 queue.declare [1]:h queue:s passive:b durable:b exclusive:b auto_delete:b nowait:b arguments:F
50.11 queue.declare-ok queue:s message_count:l consumer_count:l
50.20 queue.bind [1]:h queue:s exchange:s routing_key:s nowait:b arguments:F
50.21 queue.bind-ok
50.30 queue.purge [1]:h queue:s nowait:b
50.31 queue.purge-ok message_count:l
50.40 queue.delete [1]:h queue:s if_unused:b if_empty:b nowait:b
50.41 queue.delete-ok message_count:l
50.50 queue.unbind [1]:h queue:s exchange:s routing_key:s arguments:F
50.51 queue.unbind-ok
60.10 basic.qos prefetch_size:l prefetch_count:h global:b
60.11 basic.qos-ok
60.20 basic.consume [1]:h queue:s consumer_tag:s no_local:b no_ack:b exclusive:b nowait:b arguments:F
60.21 basic.consume-ok consumer_tag:s
60.30 basic.cancel consumer_tag:s nowait:b
60.31 basic.cancel-ok consumer_tag:s
60.40 basic.publish [1]:h exchange:s routing_key:s mandatory:b immediate:b
60.50 basic.return reply_code:h reply_text:s exchange:s routing_key:s
60.60 basic.deliver consumer_tag:s delivery_tag:L redelivered:b exchange:s routing_key:s
60.70 basic.get [1]:h queue:s no_ack:b
60.71 basic.get-ok delivery_tag:L redelivered:b exchange:s routing_key:s message_count:l
60.72 basic.get-empty [1]:s
60.80 basic.ack delivery_tag:L multiple:b
60.90 basic.reject delivery_tag:L requeue:b
60.100 basic.recover-async requeue:b
60.110 basic.recover requeue:b
60.111 basic.recover-ok
60.120 basic.nack delivery_tag:L multiple:b requeue:b
85.10 confirm.select nowait:b
85.11 confirm.select-ok
90.10 tx.select
90.11 tx.select-ok
90.20 tx.commit
90.21 tx.commit-ok
90.30 tx.rollback
90.31 tx.rollback-ok
"""
BY_NAME, BY_ID = {}, {}
for _line in _METHODS.split("\n"):
    if _line:
        _number, _name, *_arguments = _line.split()
        _id = tuple(map(int, _number.split(".")))
        BY_NAME[_name] = BY_ID[_id] = (_name, _id, [a.rsplit(":", 1) for a in _arguments])
ASKS = {name for name in BY_NAME if name + "-ok" in BY_NAME} - {"basic.cancel-from-server"} | {"basic.get"}
CARRIES_CONTENT = {"basic.publish", "basic.return", "basic.deliver", "basic.get-ok"}

# In the order of their flags, from bit 15 down.
PROPERTIES = [("content_type", "s"), ("content_encoding", "s"), ("headers", "F"), ("delivery_mode", "o"),
              ("priority", "o"), ("correlation_id", "s"), ("reply_to", "s"), ("expiration", "s"),
              ("message_id", "s"), ("timestamp", "L"), ("type", "s"), ("user_id", "s"), ("app_id", "s"),
              ("cluster_id", "s")]

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
PATIENCE = 10.0  # seconds for an answer that must come


class Typed(collections.namedtuple("Typed", "letter value")):
    """A value of a field table with its type: Typed("s", -3). Plain Python values get RabbitMQ's usual ones."""


def typed(value):
    if isinstance(value, Typed):
        return value
    for kind, letter in ((bool, "t"), (int, "I"), (str, "S"), (bytes, "S"), (dict, "F"), (list, "A"), (float, "d")):
        if isinstance(value, kind):
            return Typed(letter, value)
    if value is None:
        return Typed("V", None)
    raise TypeError(value)


_FIXED = {"t": "?", "b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q", "L": "q", "f": "f", "d": "d", "T": "Q"}


def _long_string(value):
    data = value.encode() if isinstance(value, str) else bytes(value)
    return struct.pack(">I", len(data)) + data


def _short_string(value):
    data = value.encode() if isinstance(value, str) else bytes(value)
    return struct.pack(">B", len(data)) + data


def encode_value(value):
    letter, value = typed(value)
    if letter in _FIXED:
        data = struct.pack(">" + _FIXED[letter], value)
    elif letter in "Sx":
        data = _long_string(value)
    elif letter == "F":
        data = encode_table(value)
    elif letter == "A":
        data = b"".join(map(encode_value, value))
        data = struct.pack(">I", len(data)) + data
    elif letter == "D":
        data = struct.pack(">Bi", *value)
    elif letter == "V":
        data = b""
    else:  # whatever a test wants to provoke
        data = value
    return letter.encode("latin-1") + data


def encode_table(entries):
    data = b"".join(_short_string(key) + encode_value(value) for key, value in entries.items())
    return struct.pack(">I", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def bytes(self, length):
        data = self.data[self.at:self.at + length]
        self.at += length
        return data

    def string(self, form):
        return self.bytes(self.take(form)).decode("utf-8", "backslashreplace")

    def value(self):
        letter = self.take("c").decode("latin-1")
        if letter in _FIXED:
            return Typed(letter, self.take(_FIXED[letter]))
        if letter == "S":
            return Typed(letter, self.string("I"))
        if letter == "x":
            return Typed(letter, self.bytes(self.take("I")))
        if letter == "F":
            return Typed(letter, self.table())
        if letter == "A":
            end = self.take("I") + self.at
            values = []
            while self.at < end:
                values.append(self.value())
            return Typed(letter, values)
        if letter == "D":
            return Typed(letter, self.take("Bi"))
        if letter == "V":
            return Typed(letter, None)
        raise ValueError(f"unknown field type {letter!r}")

    def table(self):
        end = self.take("I") + self.at
        table = {}
        while self.at < end:
            key = self.string("B")
            table[key] = self.value()
        return table

    def argument(self, kind):
        if kind == "s":
            return self.string("B")
        if kind == "S":
            return self.string("I")
        if kind == "F":
            return self.table()
        return self.take({"o": "B", "h": "H", "l": "I", "L": "Q"}[kind])


def encode_method(name, arguments):
    _, (class_id, method_id), kinds = BY_NAME[name]
    known = {key for key, _ in kinds}
    if unknown := set(arguments) - known:
        raise TypeError(f"{name} has no {unknown}")
    out = bytearray(struct.pack(">HH", class_id, method_id))
    bits, count = 0, 0
    for key, kind in kinds + [["", ""]]:
        if kind == "b":
            bits |= bool(arguments.get(key)) << count
            count += 1
            continue
        if count:
            out.append(bits)
            bits = count = 0
        value = arguments.get(key)
        if kind == "s":
            out += _short_string(value or "")
        elif kind == "S":
            out += _long_string(value or "")
        elif kind == "F":
            out += value if isinstance(value, bytes) else encode_table(value or {})
        elif kind:
            out += struct.pack(">" + {"o": "B", "h": "H", "l": "I", "L": "Q"}[kind], value or 0)
    return bytes(out)


def decode_method(payload):
    reader = Reader(payload)
    method = reader.take("HH")
    name, _, kinds = BY_ID[method]
    arguments, bits, left = {}, 0, 0
    for key, kind in kinds:
        if kind == "b":
            if left == 0:
                bits, left = reader.take("B"), 8
            arguments[key] = bits & 1
            bits, left = bits >> 1, left - 1
        else:
            left = 0
            arguments[key] = reader.argument(kind)
    if reader.at != len(payload):
        raise ValueError(f"{name} has {len(payload) - reader.at} bytes too many")
    return name, {key: value for key, value in arguments.items() if not key.startswith("[")}


def encode_header(body_size, properties, class_id=60):
    flags, data = 0, b""
    for at, (name, kind) in enumerate(PROPERTIES):
        value = properties.get(name)
        if value is None:
            continue
        flags |= 1 << (15 - at)
        if kind == "s":
            data += _short_string(value)
        elif kind == "F":
            data += value if isinstance(value, bytes) else encode_table(value)
        else:
            data += struct.pack(">" + {"o": "B", "L": "Q"}[kind], value)
    return struct.pack(">HHQH", class_id, 0, body_size, flags) + data


def decode_header(payload):
    reader = Reader(payload)
    class_id, _, size, flags = reader.take("HHQH")
    if class_id != 60:
        raise ValueError(f"content of class {class_id}")
    properties = {name: reader.argument(kind) for at, (name, kind) in enumerate(PROPERTIES) if flags & (1 << (15 - at))}
    if reader.at != len(payload):
        raise ValueError("content header has bytes too many")
    return size, properties


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


# --- Transcript ----------------------------------------------------------------------------------


# Baton tells the last death as RabbitMQ 4 does. One test shows that; the others leave it out.
ADDED_BY_BATON = ("x-last-death-exchange", "x-last-death-queue", "x-last-death-reason")


def show_value(value, hides=ADDED_BY_BATON):
    letter, value = typed(value)
    if letter == "F":
        return "{" + ", ".join(f"{k}:{show_value(v)}" for k, v in sorted(value.items()) if k not in hides) + "}"
    if letter == "A":
        return "[" + ", ".join(map(show_value, value)) + "]"
    if letter == "T" and value > 1_600_000_000:
        return "T(a time)"
    if letter == "t":
        return str(value).lower()
    if letter == "V":
        return "void"
    return f"{letter}({value})"


def show_body(body):
    if len(body) <= 60:
        return repr(bytes(body))[1:]
    return f"{len(body)} bytes, crc {zlib.crc32(body):08x}"


def show(name, arguments, properties=None, body=None, all_arguments=True):
    words = [name]
    for key, value in arguments.items():
        if isinstance(value, dict):
            if value:
                words.append(f"{key}={show_value(value)}")
        elif isinstance(value, bytes):
            words.append(f"{key}={len(value)} raw bytes")
        elif all_arguments or value not in (False, "", 0, None):
            words.append(f"{key}={value!r}" if isinstance(value, str) else f"{key}={int(value)}")
    text = " ".join(words)
    if properties:
        shown = (f"{k}={show_value(v) if isinstance(v, dict) else v if not isinstance(v, bytes) else f'{len(v)} raw bytes'}"
                 for k, v in sorted(properties.items()))
        text += " | " + " ".join(shown)
    if body is not None:
        text += " | " + show_body(body)
    return text


class Transcript:
    """What was said, with invented names replaced by numbers so that two runs compare equal."""
    INVENTED = [("amq.gen-", re.compile(r"amq\.gen-[A-Za-z0-9_-]{22}")),
                ("amq.ctag-", re.compile(r"amq\.ctag-[A-Za-z0-9_-]{22}")),
                ("amq.rabbitmq.reply-to.", re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9+/=._-]+"))]

    def __init__(self):
        self.lines, self.seen, self.letters = [], {}, iter("abcdefghijklmnopqrstuvwxyz")
        self.queues, self.exchanges = [], []
        # Texts about broken bytes are Erlang terms with RabbitMQ; of them only the code is compared.
        self.codes_only = False

    def add(self, line):
        for prefix, pattern in self.INVENTED:
            line = pattern.sub(lambda found: prefix + str(self.number(prefix, found.group())), line)
        self.lines.append(line)

    def number(self, prefix, name):
        names = self.seen.setdefault(prefix, {})
        return names.setdefault(name, len(names) + 1)

    def text(self):
        return "\n".join(self.lines) + "\n"


# --- Connection ----------------------------------------------------------------------------------

Event = collections.namedtuple("Event", "name arguments properties body raw_header")
CAPABILITIES = {"publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True,
                "consumer_cancel_notify": True, "connection.blocked": True, "authentication_failure_close": True}


class Closed(Exception):
    """The broker closed the connection, with or without a word; the transcript says which."""


class Connection:
    def __init__(self, talk, broker, capabilities=None, mechanism="PLAIN", user=None, password=None, vhost=None,
                 channel_max=None, frame_max=None, heartbeat=0, opens=True, says_handshake=False):
        self.talk, self.letter, self.broker = talk, next(talk.letters), broker
        self.inbox = collections.defaultdict(collections.deque)
        self.partial, self.buffer, self.is_open, self.heartbeats, self.ended = {}, b"", False, 0, False
        self.last_received = time.monotonic()
        self.channels = {}
        self.socket = socket.create_connection((broker.host, broker.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frame_max = 4096
        if not opens:
            return
        self.says = says_handshake
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.start = self.next_event(0)
        user, password = user or broker.user, broker.password if password is None else password
        response = f"\0{user}\0{password}" if mechanism != "AMQPLAIN" else \
            encode_table({"LOGIN": user, "PASSWORD": password})[4:]
        self.handshake("connection.start-ok", client_properties={"capabilities": CAPABILITIES if capabilities is None else capabilities},
                       mechanism=mechanism, response=response, locale="en_US")
        tune = self.next_event(0)
        if self.refused(tune):
            return
        self.tune = tune.arguments
        self.frame_max = self.tune["frame_max"] if frame_max is None else frame_max
        self.handshake("connection.tune-ok", channel_max=self.tune["channel_max"] if channel_max is None else channel_max,
                       frame_max=self.frame_max, heartbeat=heartbeat)
        self.handshake("connection.open", virtual_host=broker.vhost if vhost is None else vhost)
        answer = self.next_event(0)
        if self.refused(answer):
            return
        self.is_open = True

    def handshake(self, name, **arguments):
        if self.says:
            self.talk.add(f"{self.letter}0> {show(name, arguments, all_arguments=False)}")
        self.send(frame(METHOD, 0, encode_method(name, arguments)))

    def refused(self, event):
        if event is None or event.name == "connection.close" or event.name.startswith("("):
            self.note(0, event)
            if event is not None and event.name == "connection.close":
                self.answer_close()
            return True
        if self.says:
            self.note(0, event)
        return False

    # -- bytes

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.ended = True

    def receive(self, timeout):
        """One frame: kind, channel, payload; None when nothing came in time; raises Closed at the end."""
        end = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 7:
                kind, channel, size = struct.unpack_from(">BHI", self.buffer)
                if self.buffer[:4] == b"AMQP":
                    header, self.buffer = self.buffer[:8], self.buffer[8:]
                    return "header", 0, header
                if len(self.buffer) >= size + 8:
                    payload, last = self.buffer[7:7 + size], self.buffer[7 + size]
                    if last != 0xCE:
                        raise ValueError("the broker sent a frame without end")
                    if self.is_open and size + 8 > self.frame_max > 0:
                        raise ValueError(f"the broker sent a frame of {size + 8} bytes")
                    self.buffer = self.buffer[8 + size:]
                    return kind, channel, payload
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                self.ended = True
                raise Closed()
            self.last_received = time.monotonic()
            self.buffer += data

    # -- events

    def next_event(self, channel, timeout=None):
        """The next event of a channel, content assembled; None when there is none in time."""
        end = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while not self.inbox[channel]:
            # What concerns the whole connection is read by whoever reads.
            if channel != 0 and self.inbox[0] and self.inbox[0][0].name == "connection.close":
                return self.inbox[0].popleft()
            try:
                got = self.receive(max(0.0, end - time.monotonic()))
            except Closed:
                return Event("(the socket is closed)", {}, None, None, None)
            if got is None:
                return None
            self.take(*got)
        return self.inbox[channel].popleft()

    def take(self, kind, channel, payload):
        if kind == HEARTBEAT:
            self.heartbeats += 1
            return
        if kind == "header":
            self.inbox[0].append(Event("(protocol header " + payload.hex(" ") + ")", {}, None, None, None))
            return
        if kind == METHOD:
            name, arguments = decode_method(payload)
            if name in CARRIES_CONTENT:
                self.partial[channel] = [name, arguments, None, 0, b"", None]
            else:
                self.inbox[channel].append(Event(name, arguments, None, None, None))
            return
        partial = self.partial[channel]
        if kind == HEADER:
            partial[3], partial[2] = decode_header(payload)
            partial[5] = payload
        else:
            partial[4] += payload
        if len(partial[4]) == partial[3]:
            del self.partial[channel]
            name, arguments, properties, _, body, raw = partial
            self.inbox[channel].append(Event(name, arguments, properties, body, raw))

    def note(self, channel, event):
        if event is None:
            self.talk.add(f"{self.letter}{channel}< (nothing)")
        else:
            if event.name.startswith("connection.") or event.name.startswith("("):
                channel = 0
            arguments = event.arguments
            if self.talk.codes_only and "reply_text" in arguments:
                arguments = dict(arguments, reply_text=arguments["reply_text"].partition(" - ")[0] + " - ...")
            self.talk.add(f"{self.letter}{channel}< {show(event.name, arguments, event.properties, event.body)}")

    def answer_close(self):
        self.is_open = False
        self.send(frame(METHOD, 0, encode_method("connection.close-ok", {})))
        self.await_end(1)

    def await_end(self, timeout=PATIENCE):
        """Until the broker closed its side: everything of this connection is then undone."""
        end = time.monotonic() + timeout
        try:
            while (left := end - time.monotonic()) > 0:
                self.receive(left)
            return False
        except Closed:
            return True

    def read(self, channel=0, timeout=None):
        event = self.next_event(channel, timeout)
        self.note(channel, event)
        if event is not None and event.name == "connection.close":
            self.answer_close()
        return event

    def send_method(self, channel, name, arguments):
        self.talk.add(f"{self.letter}{channel}> {show(name, arguments, all_arguments=False)}")
        if name == "queue.declare" and arguments.get("queue"):
            self.talk.queues.append(arguments["queue"])
        if name == "exchange.declare" and arguments.get("exchange"):
            self.talk.exchanges.append(arguments["exchange"])
        self.send(frame(METHOD, channel, encode_method(name, arguments)))

    def send_quiet(self, channel, name, **arguments):
        """A method that the transcript does not show."""
        self.send(frame(METHOD, channel, encode_method(name, arguments)))

    def __call__(self, name, **arguments):
        """A method on channel 0."""
        self.send_method(0, name, arguments)
        if name in ASKS:
            return self.read()
        return None

    def channel(self, number=1, quietly=True):
        channel = Channel(self, number)
        self.channels[number] = channel
        if quietly:
            self.send(frame(METHOD, number, encode_method("channel.open", {})))
            event = self.next_event(number)
            if event is None or event.name != "channel.open-ok":
                self.note(number, event)
        else:
            channel("channel.open")
        return channel

    def close(self):
        """In order; returns when the broker has answered, that is, has undone what was the connection's."""
        if self.is_open and not self.ended:
            self.is_open = False
            self.send(frame(METHOD, 0, encode_method("connection.close", {"reply_code": 200})))
            while (event := self.next_event(0, 5)) is not None and event.name[:1] != "(" and event.name != "connection.close-ok":
                pass
        self.drop()

    def drop(self):
        """Without a word, as a client that dies."""
        self.is_open = False
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Channel:
    def __init__(self, connection, number):
        self.connection, self.number, self.is_open = connection, number, True

    def __call__(self, name, **arguments):
        self.connection.send_method(self.number, name, arguments)
        if name in ASKS and not arguments.get("nowait"):
            return self.read()
        return None

    def read(self, count=1, timeout=None):
        """The next events. A close by the broker is answered at once, as a client must."""
        event = None
        for _ in range(count):
            event = self.connection.read(self.number, timeout)
            if event is not None and event.name == "channel.close":
                self.is_open = False
                self.connection.send(frame(METHOD, self.number, encode_method("channel.close-ok", {})))
        return event

    def quiet(self, seconds=0.15):
        """Says so when nothing comes; what comes is in the transcript."""
        return self.read(timeout=seconds)

    def reopen(self):
        return self.connection.channel(self.number)

    def publish(self, exchange, routing_key, body=b"", mandatory=False, immediate=False, pieces=None, says=True, **properties):
        body = body.encode() if isinstance(body, str) else body
        arguments = {"exchange": exchange, "routing_key": routing_key, "mandatory": mandatory, "immediate": immediate}
        if says:
            self.connection.talk.add(f"{self.connection.letter}{self.number}> " +
                                     show("basic.publish", arguments, properties, body, all_arguments=False))
        size = (self.connection.frame_max or 131072) - 8
        pieces = pieces or [body[at:at + size] for at in range(0, len(body), size)]
        data = frame(METHOD, self.number, encode_method("basic.publish", arguments))
        data += frame(HEADER, self.number, encode_header(len(body), properties))
        data += b"".join(frame(BODY, self.number, piece) for piece in pieces)
        self.connection.send(data)

    def confirms(self, up_to, first=1):
        """Waits until the tags up to `up_to` are settled; the transcript says how, in the order of tags."""
        verdicts, multiple_from = {}, first
        while len(verdicts) < up_to - first + 1:
            event = self.connection.next_event(self.number)
            if event is None or event.name not in ("basic.ack", "basic.nack"):
                self.connection.note(self.number, event)
                if event is None or event.name.startswith("("):
                    break
                continue
            tag = event.arguments["delivery_tag"]
            tags = [t for t in range(multiple_from, tag + 1) if t not in verdicts] if event.arguments["multiple"] else [tag]
            for t in tags:
                if t in verdicts:
                    self.connection.talk.add(f"{self.connection.letter}{self.number}< tag {t} is settled twice")
                verdicts[t] = event.name[6:]
        self.connection.talk.add(f"{self.connection.letter}{self.number}< settled: " +
                                 " ".join(f"{t}={v}" for t, v in sorted(verdicts.items())))

    def await_count(self, queue, messages=None, consumers=None):
        """Until queue.declare passive says so; not in the transcript."""
        end = time.monotonic() + PATIENCE
        while True:
            self.connection.send(frame(METHOD, self.number, encode_method("queue.declare", {"queue": queue, "passive": True})))
            event = self.connection.next_event(self.number)
            if event is None or event.name != "queue.declare-ok":
                self.connection.note(self.number, event)
                return
            said = event.arguments
            if (messages is None or said["message_count"] == messages) and \
                    (consumers is None or said["consumer_count"] == consumers):
                return
            if time.monotonic() > end:
                self.connection.talk.add(f"{self.connection.letter}{self.number}< (queue {queue} has {said['message_count']} messages, "
                                         f"{said['consumer_count']} consumers)")
                return
            time.sleep(0.02)

    def await_gone(self, queue, pause=0.02):
        """Until the queue does not exist any more; asks on a channel of its own. Asking keeps a queue
        from expiring: the pause must then be longer than the queue's time."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(pause)
            probe = self.connection.channel(900)
            self.connection.send(frame(METHOD, 900, encode_method("queue.declare", {"queue": queue, "passive": True})))
            event = self.connection.next_event(900)
            if event is not None and event.name == "channel.close":
                self.connection.send(frame(METHOD, 900, encode_method("channel.close-ok", {})))
                return
            self.connection.send(frame(METHOD, probe.number, encode_method("channel.close", {"reply_code": 200})))
            self.connection.next_event(900)
        self.connection.talk.add(f"{self.connection.letter}{self.number}< (queue {queue} is still there)")
