"""Opening a connection: headers, mechanisms, tuning, virtual hosts, and how each is refused."""
import os
import struct
import unittest

import case
import wire
from wire import METHOD, encode_method, frame


class HandshakeTest(case.Case):
    def raw(self, *chunks, reads=1, timeout=None):
        """A connection by hand: sends chunks, notes what comes."""
        connection = self.connect(opens=False)
        for chunk in chunks:
            connection.send(chunk)
        for _ in range(reads):
            event = connection.next_event(0, timeout)
            if event is not None and event.name == "connection.start":
                self.say("connection.start")
            else:
                connection.note(0, event)
        return connection

    def test_start_says_what_the_broker_can(self):
        start = self.connect().start.arguments
        properties = start["server_properties"]
        capabilities = properties["capabilities"].value
        self.say(f"versions {start['version_major']}-{start['version_minor']}")
        self.say("mechanisms " + " ".join(sorted(start["mechanisms"].split())) + ", locales " + start["locales"])
        self.say("texts " + " ".join(sorted(k for k, v in properties.items() if v.letter == "S")))
        self.say("capabilities " + wire.show_value(wire.Typed("F", capabilities)))

    @case.differs("the product is another one; broker.server_product changes the word")
    def test_product(self):
        self.say(self.connect().start.arguments["server_properties"]["product"].value)

    def test_an_ordinary_opening(self):
        connection = self.connect(says_handshake=True)
        connection("connection.close", reply_code=200, reply_text="bye")

    def test_amqplain_logs_in(self):
        self.connect(mechanism="AMQPLAIN").channel(1, quietly=False)

    def test_a_wrong_header_is_answered_with_the_right_one(self):
        for header in (b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x00\x09\x02", b"HTTP/1.1", b"GET / HT"):
            self.say(repr(header))
            self.raw(header, reads=2)

    @case.differs("the long outdated protocol 0-8 is not spoken")
    def test_the_header_of_0_8(self):
        self.raw(b"AMQP\x01\x01\x08\x00", reads=2, timeout=1)

    def test_a_header_in_two_pieces(self):
        self.raw(b"AMQP", b"\x00\x00\x09\x01")

    def test_wrong_password(self):
        self.connect(password="wrong")

    def test_wrong_user(self):
        self.connect(user="nobody")

    def test_wrong_password_with_amqplain(self):
        self.connect(password="wrong", mechanism="AMQPLAIN")

    def test_wrong_password_of_a_client_that_cannot_be_told(self):
        self.connect(password="wrong", capabilities={})

    @case.differs("a mechanism that is not offered gets a text; RabbitMQ closes the socket")
    def test_unknown_mechanism(self):
        self.connect(mechanism="CRAM-MD5")

    @case.differs("a login that makes no sense is told as a wrong one; RabbitMQ closes the socket")
    def test_credentials_without_zeros(self):
        connection = self.raw(b"AMQP\x00\x00\x09\x01")
        connection.send(frame(METHOD, 0, encode_method("connection.start-ok", {
            "client_properties": {"capabilities": wire.CAPABILITIES}, "mechanism": "PLAIN", "response": "guest", "locale": "en_US"})))
        connection.read()

    def test_missing_virtual_host(self):
        self.connect(vhost="nothing here")

    def test_a_user_without_permission_for_the_virtual_host(self):
        self.connect(vhost="")

    @case.differs("the reason is told; RabbitMQ closes the socket and logs it")
    def test_channel_max_must_not_rise(self):
        for channel_max in (2048, 0, 65535):
            self.say(str(channel_max))
            self.connect(channel_max=channel_max)

    @case.differs("the reason is told; RabbitMQ closes the socket and logs it")
    def test_frame_max_must_not_rise(self):
        for frame_max in (131073, 0, 4095, 1):
            self.say(str(frame_max))
            self.connect(frame_max=frame_max)

    def test_the_smallest_frame_max(self):
        channel = self.open(frame_max=4096)
        body = os.urandom(5) * 4000
        channel("queue.declare", queue="q")
        channel.publish("", "q", body, says=False)
        event = channel.connection.next_event(1, 0.3) or channel.connection
        channel.await_count("q", messages=1)
        channel.connection.send(frame(METHOD, 1, encode_method("basic.get", {"queue": "q", "no_ack": True})))
        event = channel.connection.next_event(1)
        self.say(f"{event.name}, the body is {'the same' if event.body == body else 'another'}")

    def test_no_more_channels_than_agreed(self):
        connection = self.connect(channel_max=2)
        connection.channel(1, quietly=False)
        connection.channel(2, quietly=False)
        connection.channel(3, quietly=False)

    def test_a_channel_above_the_limit(self):
        self.connect(channel_max=10).channel(11, quietly=False)

    @case.differs("the reason is told; RabbitMQ closes the socket and logs it")
    def test_methods_in_the_wrong_order(self):
        connection = self.raw(b"AMQP\x00\x00\x09\x01")
        connection("connection.open", virtual_host="/")
        connection.next_event(0, 2)

    @case.differs("refused at once; RabbitMQ ignores it until the handshake times out")
    def test_a_channel_method_before_open(self):
        connection = self.raw(b"AMQP\x00\x00\x09\x01")
        connection.send(frame(METHOD, 1, encode_method("channel.open", {})))
        connection.read(timeout=2)

    def test_open_twice(self):
        connection = self.connect()
        connection("connection.open", virtual_host="/")

    def test_a_method_of_the_server(self):
        connection = self.connect()
        connection("connection.tune", channel_max=1)
        connection.read()

    def test_update_secret(self):
        connection = self.connect()
        connection("connection.update-secret", new_secret="new", reason="renewed")

    def test_close_with_open_channels(self):
        connection = self.connect()
        channel = connection.channel(1)
        channel("queue.declare", queue="q", exclusive=True)
        connection("connection.close", reply_code=200)

    def test_after_close_nothing_is_answered(self):
        connection = self.connect()
        connection.channel(1)
        connection.send(frame(METHOD, 0, encode_method("connection.close", {"reply_code": 200})) +
                        frame(METHOD, 1, encode_method("queue.declare", {"queue": "never"})))
        connection.read()
        other = self.open()
        other("queue.declare", queue="never", passive=True)

    def test_close_ok_that_nobody_asked_for(self):
        connection = self.connect()
        connection("connection.close-ok")
        connection.read(timeout=1)


if __name__ == "__main__":
    unittest.main()
