"""Frames: pieces of odd sizes, content in many frames, and everything that is no frame."""
import struct
import unittest

import case
from wire import BODY, HEADER, HEARTBEAT, METHOD, encode_header, encode_method, frame

PUBLISH = encode_method("basic.publish", {"routing_key": "q"})


class FramesTest(case.Case):
    def bad(self, *parts, says=None, reads=1, codes_only=False):
        """On a new connection with channel 1 open; notes what the broker thinks of it."""
        self.talk.codes_only = codes_only
        if says:
            self.say(says)
        connection = self.connect()
        connection.channel(1)
        connection.send(b"".join(parts))
        for _ in range(reads):
            connection.read(1, timeout=3)

    def test_frames_in_pieces_of_every_size(self):
        channel = self.open()
        channel("queue.declare", queue="q")
        whole = frame(METHOD, 1, PUBLISH) + frame(HEADER, 1, encode_header(11, {"content_type": "text/plain"})) + \
            frame(BODY, 1, b"hello") + frame(BODY, 1, b" world")
        for size in (1, 2, 3, 5, 7, 8, 11, 13):
            for at in range(0, len(whole), size):
                channel.connection.send(whole[at:at + size])
            channel("basic.qos", prefetch_count=size)
            channel("basic.get", queue="q", no_ack=True)

    def test_many_frames_in_one_piece(self):
        channel = self.open()
        data = b"".join(frame(METHOD, 1, encode_method("queue.declare", {"queue": f"q{i}", "exclusive": True})) for i in range(20))
        channel.connection.send(data)
        channel.read(20)

    def test_bodies_in_any_number_of_frames(self):
        channel = self.open()
        channel("queue.declare", queue="q")
        channel.publish("", "q", b"abc", pieces=[b"a", b"b", b"c"])
        channel("basic.get", queue="q", no_ack=True)
        channel.publish("", "q", b"")
        channel("basic.get", queue="q", no_ack=True)

    def test_empty_body_frames(self):
        channel = self.open()
        channel("queue.declare", queue="q")
        channel.publish("", "q", b"abc", pieces=[b"", b"ab", b"", b"c"])
        channel("basic.get", queue="q", no_ack=True)

    def test_contents_of_two_channels_interleave(self):
        connection = self.connect()
        first, second = connection.channel(1), connection.channel(2)
        first("queue.declare", queue="q")
        header = encode_header(4, {})
        connection.send(frame(METHOD, 1, PUBLISH) + frame(METHOD, 2, PUBLISH) + frame(HEADER, 2, header) + frame(HEADER, 1, header) +
                        frame(BODY, 1, b"on") + frame(BODY, 2, b"tw") + frame(HEARTBEAT, 0, b"") + frame(BODY, 2, b"o!") +
                        frame(METHOD, 3, encode_method("channel.open", {})) + frame(BODY, 1, b"e!"))
        connection.read(3)
        second("basic.qos", prefetch_count=1)
        first("basic.get", queue="q", no_ack=True)
        first("basic.get", queue="q", no_ack=True)

    def test_wrong_frame_end(self):
        self.bad(frame(METHOD, 1, encode_method("basic.qos", {}))[:-1] + b"\x00", codes_only=True)

    def test_unknown_frame_type(self):
        self.bad(frame(7, 1, b"x"), codes_only=True)

    @case.differs("the reason is told; RabbitMQ closes the socket when the frame ends one byte late")
    def test_a_frame_larger_than_agreed(self):
        self.bad(struct.pack(">BHI", METHOD, 1, 131073) + bytes(131073) + b"\xce", codes_only=True)

    def test_a_frame_of_two_gigabytes(self):
        self.bad(struct.pack(">BHI", METHOD, 1, 0x7fffffff) + bytes(100), codes_only=True)

    def test_body_without_method(self):
        self.bad(frame(BODY, 1, b"x"))

    def test_header_without_method(self):
        self.bad(frame(HEADER, 1, encode_header(1, {})))

    def test_method_instead_of_header(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(METHOD, 1, encode_method("basic.qos", {})))

    def test_body_instead_of_header(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(BODY, 1, b"x"))

    def test_header_instead_of_body(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, encode_header(1, {})), frame(HEADER, 1, encode_header(1, {})))

    def test_method_instead_of_body(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, encode_header(1, {})), frame(METHOD, 1, encode_method("basic.qos", {})))

    def test_header_of_another_class(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, encode_header(1, {}, class_id=50)), frame(BODY, 1, b"x"))

    @case.differs("505 at once; RabbitMQ waits for ever for the end of the message")
    def test_more_body_than_announced(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, encode_header(1, {})), frame(BODY, 1, b"xyz"))

    def test_content_on_channel_zero(self):
        self.bad(frame(METHOD, 0, PUBLISH))

    def test_body_on_channel_zero(self):
        self.bad(frame(BODY, 0, b"x"), codes_only=True)

    def test_a_method_for_a_channel_that_is_not_open(self):
        self.bad(frame(METHOD, 5, encode_method("basic.qos", {})))

    def test_content_for_a_channel_that_is_not_open(self):
        self.bad(frame(BODY, 5, b"x"))

    def test_close_of_a_channel_that_is_not_open(self):
        self.bad(frame(METHOD, 5, encode_method("channel.close", {})))

    def test_close_ok_of_a_channel_that_is_not_closing(self):
        self.bad(frame(METHOD, 1, encode_method("channel.close-ok", {})), frame(METHOD, 1, encode_method("basic.qos", {})))

    def test_channel_opened_twice(self):
        self.bad(frame(METHOD, 1, encode_method("channel.open", {})))

    def test_channel_zero_cannot_be_opened(self):
        self.bad(frame(METHOD, 0, encode_method("channel.open", {})))

    @case.differs("503 where RabbitMQ closes the socket after an internal error")
    def test_unknown_class(self):
        self.bad(frame(METHOD, 1, struct.pack(">HH", 70, 10)), codes_only=True)

    @case.differs("540 where RabbitMQ closes the socket after an internal error")
    def test_unknown_method(self):
        self.bad(frame(METHOD, 1, struct.pack(">HH", 60, 99)), codes_only=True)

    def test_a_method_cut_short(self):
        self.bad(frame(METHOD, 1, encode_method("queue.declare", {"queue": "q"})[:-3]), codes_only=True)

    def test_a_method_of_two_bytes(self):
        self.bad(frame(METHOD, 1, b"\x00\x32"), codes_only=True)

    def test_bytes_behind_a_method(self):
        self.bad(frame(METHOD, 1, encode_method("basic.qos", {}) + b"more"), codes_only=True)

    def test_a_header_cut_short(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, encode_header(1, {})[:10]), codes_only=True)

    @case.differs("501 where RabbitMQ has an internal error, 541")
    def test_property_flags_that_go_on(self):
        self.bad(frame(METHOD, 1, PUBLISH), frame(HEADER, 1, struct.pack(">HHQHH", 60, 0, 1, 1, 0)), frame(BODY, 1, b"x"), codes_only=True)

    @case.differs("501 where RabbitMQ closes the socket after an internal error")
    def test_an_unknown_type_in_a_table(self):
        self.bad(frame(METHOD, 1, encode_method("queue.declare", {"queue": "q", "arguments": b"\x00\x00\x00\x04\x02ab@"})), codes_only=True)

    def test_a_table_longer_than_its_frame(self):
        self.bad(frame(METHOD, 1, encode_method("queue.declare", {"queue": "q", "arguments": b"\x00\x00\xff\xff\x02ab"})), codes_only=True)

    def test_methods_only_a_server_sends(self):
        for name in ("channel.open-ok", "queue.declare-ok", "queue.bind-ok", "basic.consume-ok", "basic.qos-ok", "basic.get-empty",
                     "exchange.declare-ok", "tx.select-ok", "confirm.select-ok", "basic.recover-ok"):
            self.bad(frame(METHOD, 1, encode_method(name, {})), says=name)

    def test_contents_only_a_server_sends(self):
        for name in ("basic.deliver", "basic.return", "basic.get-ok"):
            self.bad(frame(METHOD, 1, encode_method(name, {})), frame(HEADER, 1, encode_header(0, {})), says=name)

    def test_channel_methods_on_channel_zero(self):
        self.bad(frame(METHOD, 0, encode_method("basic.qos", {})))

    def test_connection_methods_on_another_channel(self):
        self.bad(frame(METHOD, 1, encode_method("connection.close", {"reply_code": 200})))

    def test_what_a_closing_channel_gets_is_ignored(self):
        channel = self.open()
        channel("queue.declare", queue="q")
        closing = encode_method("basic.ack", {"delivery_tag": 99})
        channel.connection.send(frame(METHOD, 1, closing) + frame(METHOD, 1, encode_method("queue.delete", {"queue": "q"})) +
                                frame(METHOD, 1, PUBLISH) + frame(HEADER, 1, encode_header(1, {})) + frame(BODY, 1, b"x"))
        channel.read()
        channel = channel.reopen()
        channel("queue.declare", queue="q", passive=True)

    def test_channel_numbers_are_used_again(self):
        connection = self.connect()
        for number in (1, 1, 7, 1, 2047, 2047):
            channel = connection.channel(number, quietly=False)
            channel("queue.declare", queue="", exclusive=True)
            channel("channel.close", reply_code=200)

    def test_both_sides_close_a_channel_at_once(self):
        channel = self.open()
        channel.connection.send(frame(METHOD, 1, encode_method("basic.ack", {"delivery_tag": 5})) +
                                frame(METHOD, 1, encode_method("channel.close", {"reply_code": 200})))
        channel.connection.read(1)
        channel.connection.read(1, timeout=1)
        channel.connection.send(frame(METHOD, 1, encode_method("channel.close-ok", {})))
        channel.connection.channel(1, quietly=False)

    def test_heartbeats_may_come_unasked(self):
        channel = self.open()
        channel.connection.send(frame(HEARTBEAT, 0, b"") * 3)
        channel("basic.qos", prefetch_count=1)

    def test_heartbeat_on_another_channel(self):
        self.talk.codes_only = True
        channel = self.open()
        channel.connection.send(frame(HEARTBEAT, 1, b""))
        channel("basic.qos", prefetch_count=1)

    def test_heartbeat_with_contents(self):
        self.talk.codes_only = True
        channel = self.open()
        channel.connection.send(frame(HEARTBEAT, 0, b"beat"))
        channel("basic.qos", prefetch_count=1)


if __name__ == "__main__":
    unittest.main()
