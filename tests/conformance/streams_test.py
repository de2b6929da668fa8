"""Streams over AMQP 0-9-1: written once, read from any place, again and again."""
import time
import unittest

import case
from wire import Typed

STREAM = {"x-queue-type": "stream"}


class StreamsTest(case.Case):
    def stream(self, count=5, **arguments):
        channel = self.own_channel()
        channel("queue.declare", queue="s", durable=True, arguments=dict(STREAM, **arguments))
        channel("confirm.select")
        for at in range(count):
            channel.publish("", "s", str(at), says=False, headers={"n": at})
        if count:
            channel.confirms(count)
        return channel

    def reader(self, **arguments):
        reader = self.open()
        reader("basic.qos", prefetch_count=100)
        reader("basic.consume", queue="s", consumer_tag="c", arguments=arguments)
        return reader

    def test_declare(self):
        self.ask("queue.declare", queue="s", durable=True, arguments=STREAM)
        self.ask("queue.declare", queue="s", durable=True, arguments=STREAM)
        self.ask("queue.declare", queue="s", durable=True)
        self.ask("queue.delete", queue="s")

    def test_what_a_stream_cannot_be(self):
        for flags, arguments in (({"durable": False}, {}), ({"exclusive": True}, {}), ({"auto_delete": True}, {}), ({}, {"x-max-priority": 5}),
                                 ({}, {"x-message-ttl": 5}), ({}, {"x-dead-letter-exchange": ""}), ({}, {"x-max-length": 5}),
                                 ({}, {"x-max-age": 5}), ({}, {"x-single-active-consumer": True})):
            event = self.ask("queue.declare", queue="s", arguments=dict(STREAM, **arguments), **dict({"durable": True}, **flags))
            if event.name == "queue.declare-ok":
                self.ask("queue.delete", queue="s")

    @case.differs("406 where RabbitMQ closes the connection after an internal error, 541")
    def test_a_bad_age(self):
        self.ask("queue.declare", queue="s", durable=True, arguments=dict(STREAM, **{"x-max-age": "nonsense"}))

    def test_read_from_the_first(self):
        self.stream()
        self.reader(**{"x-stream-offset": "first"}).read(5)
        self.say("and again")
        self.reader(**{"x-stream-offset": "first"}).read(5)

    def test_read_from_an_offset(self):
        self.stream()
        self.reader(**{"x-stream-offset": Typed("l", 3)}).read(2)
        self.reader(**{"x-stream-offset": 4}).read(1)

    def test_read_what_is_next(self):
        channel = self.stream()
        reader = self.reader(**{"x-stream-offset": "next"})
        reader.quiet(0.3)
        channel.publish("", "s", "new")
        channel.read()
        reader.read()

    def test_next_is_the_default(self):
        channel = self.stream()
        reader = self.reader()
        reader.quiet(0.3)
        channel.publish("", "s", "new")
        channel.read()
        reader.read()

    def test_read_from_a_time(self):
        self.stream()
        self.reader(**{"x-stream-offset": Typed("T", int(time.time()) - 3600)}).read(5)

    @case.differs("the prefetch is kept to the message; RabbitMQ delivers some more")
    def test_the_prefetch_holds(self):
        self.stream()
        reader = self.open()
        reader("basic.qos", prefetch_count=2)
        reader("basic.consume", queue="s", consumer_tag="c", arguments={"x-stream-offset": "first"})
        reader.read(2)
        reader.quiet(0.3)
        reader("basic.ack", delivery_tag=2, multiple=True)
        reader.read(2)

    def test_readers_need_a_prefetch_and_acknowledge(self):
        self.stream(0)
        reader = self.open()
        reader("basic.consume", queue="s", consumer_tag="c")
        reader = self.open()
        reader("basic.qos", prefetch_count=5)
        reader("basic.consume", queue="s", consumer_tag="c", no_ack=True)

    @case.differs("406 where RabbitMQ closes the connection after an internal error, 541")
    def test_bad_offsets(self):
        self.stream(0)
        for offset in ("nonsense", True):
            reader = self.open()
            reader("basic.qos", prefetch_count=5)
            reader("basic.consume", queue="s", consumer_tag="c", arguments={"x-stream-offset": offset})

    def test_no_get(self):
        self.stream(1)
        self.ask("basic.get", queue="s")

    def test_no_purge(self):
        self.stream(1)
        self.ask("queue.purge", queue="s")

    @case.differs("refused deliveries count as settled; RabbitMQ closes the connection with 540")
    def test_reject_and_return_settle_only(self):
        self.stream(2)
        reader = self.reader(**{"x-stream-offset": "first"})
        reader.read(2)
        reader("basic.reject", delivery_tag=1)
        reader("basic.nack", delivery_tag=2, requeue=True)
        reader.quiet(0.3)


if __name__ == "__main__":
    unittest.main()
