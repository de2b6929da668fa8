"""AMQP 0-9-1 by hand: frames as bytes, for clients without manners."""
import os
import socket
import struct

HEADER = b"AMQP\x00\x00\x09\x01"


def frame(kind, channel, payload, end=b"\xce"):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def method(channel, class_id, method_id, arguments=b""):
    return frame(1, channel, struct.pack(">HH", class_id, method_id) + arguments)


def short(text):
    return bytes([len(text)]) + text.encode()


def publish(channel, routing_key, body, properties=b"\x00\x00"):
    content = method(channel, 60, 40, b"\x00\x00" + short("") + short(routing_key) + b"\x00")
    content += frame(2, channel, struct.pack(">HHQ", 60, 0, len(body)) + properties)
    return content + (frame(3, channel, body) if body else b"")


class Client:
    """A socket and what was read from it. Waits at most `limit` seconds for anything."""

    def __init__(self, port, limit=15, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(limit)
        self.socket.connect(("127.0.0.1", port))

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                raise ConnectionError("the connection ended")
            data += chunk
        return data

    def read_frame(self):
        kind, channel, size = struct.unpack(">BHI", self.exactly(7))
        return kind, channel, self.exactly(size + 1)[:-1]

    def read_method(self, class_id, method_id):
        """Reads on until this method comes; returns its arguments."""
        while True:
            kind, _, payload = self.read_frame()
            if kind == 1 and struct.unpack(">HH", payload[:4]) == (class_id, method_id):
                return payload[4:]

    def begin(self):
        self.send(HEADER)
        self.read_method(10, 10)

    def log_in(self, heartbeat=0, channel_max=2047, frame_max=131072, user="guest", password="guest"):
        self.begin()
        response = f"\x00{user}\x00{password}".encode()
        self.send(method(0, 10, 11, struct.pack(">I", 0) + short("PLAIN") + struct.pack(">I", len(response)) + response +
                         short("en_US")))
        self.read_method(10, 30)
        self.send(method(0, 10, 31, struct.pack(">HIH", channel_max, frame_max, heartbeat)) +
                  method(0, 10, 40, short("/") + b"\x00\x00"))
        self.read_method(10, 41)
        return self

    def open_channel(self, number=1):
        self.send(method(number, 20, 10, b"\x00"))
        self.read_method(20, 11)
        return self

    def declare(self, queue, channel=1, durable=False):
        self.send(method(channel, 50, 10, b"\x00\x00" + short(queue) + (b"\x02" if durable else b"\x00") + struct.pack(">I", 0)))
        self.read_method(50, 11)
        return self

    def consume(self, queue, channel=1, tag="c", no_ack=True):
        self.send(method(channel, 60, 20, b"\x00\x00" + short(queue) + short(tag) + (b"\x02" if no_ack else b"\x00") +
                         struct.pack(">I", 0)))
        self.read_method(60, 21)
        return self

    def close_reason(self):
        """(code, text) of the connection.close that comes next."""
        arguments = self.read_method(10, 50)
        return struct.unpack(">H", arguments[:2])[0], arguments[3:3 + arguments[2]].decode()

    def ended(self):
        """Reads until the other side closes; true. False when it does not within the limit."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
