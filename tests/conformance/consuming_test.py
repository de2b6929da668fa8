"""Consumers and what they do with messages: prefetch, acknowledging, returning, cancelling, priorities."""
import unittest

import case


class ConsumingTest(case.Case):
    def queue(self, *bodies, name="q", **flags):
        """The case's channel, a queue declared on it, and messages that are in it."""
        channel = self.own_channel()
        channel("queue.declare", queue=name, **flags)
        for body in bodies:
            channel.publish("", name, body)
        channel.await_count(name, messages=len(bodies))
        return channel

    def test_consume_and_acknowledge(self):
        channel = self.queue("0", "1", "2")
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(3)
        channel("basic.ack", delivery_tag=2, multiple=True)
        channel("basic.ack", delivery_tag=3)
        channel("queue.declare", queue="q", passive=True)
        channel("basic.cancel", consumer_tag="c")
        channel("queue.declare", queue="q", passive=True)

    def test_tags_of_the_server(self):
        channel = self.queue("0")
        channel("basic.consume", queue="q")
        channel.read()
        channel("basic.consume", queue="q")

    def test_consume_with_nowait(self):
        channel = self.queue("0")
        channel("basic.consume", queue="q", consumer_tag="c", nowait=True)
        channel.read()
        channel("basic.cancel", consumer_tag="c", nowait=True)
        channel("basic.qos", prefetch_count=1)

    def test_no_ack_settles_at_once(self):
        channel = self.queue("0", "1")
        channel("basic.consume", queue="q", consumer_tag="c", no_ack=True)
        channel.read(2)
        channel("basic.ack", delivery_tag=1)
        channel.read()

    def test_a_tag_in_use(self):
        channel = self.queue()
        channel("basic.consume", queue="q", consumer_tag="c")
        channel("basic.consume", queue="q", consumer_tag="c")

    def test_the_same_tag_on_two_channels(self):
        channel = self.queue()
        channel("basic.consume", queue="q", consumer_tag="c")
        second = channel.connection.channel(2)
        second("basic.consume", queue="q", consumer_tag="c")

    def test_a_tag_again_after_cancel(self):
        channel = self.queue()
        for _ in range(3):
            channel("basic.consume", queue="q", consumer_tag="c")
            channel("basic.cancel", consumer_tag="c")

    def test_cancel_of_an_unknown_tag(self):
        channel = self.queue()
        channel("basic.cancel", consumer_tag="nobody")
        channel("basic.cancel", consumer_tag="nobody", nowait=True)
        channel("basic.qos", prefetch_count=1)

    def test_what_was_delivered_before_cancel_can_be_settled(self):
        channel = self.queue("0", "1")
        channel("basic.qos", prefetch_count=1)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read()
        channel("basic.cancel", consumer_tag="c")
        channel("basic.ack", delivery_tag=1)
        channel("queue.declare", queue="q", passive=True)

    def test_no_local_is_ignored(self):
        channel = self.queue("0")
        channel("basic.consume", queue="q", consumer_tag="c", no_local=True)
        channel.read()

    def test_exclusive_consumers(self):
        channel = self.queue()
        channel("basic.consume", queue="q", consumer_tag="c", exclusive=True)
        other = self.open()
        other("basic.consume", queue="q", consumer_tag="d")
        other = other.reopen()
        other("basic.consume", queue="q", consumer_tag="d", exclusive=True)
        channel("basic.cancel", consumer_tag="c")
        other = other.reopen()
        other("basic.consume", queue="q", consumer_tag="d")
        channel("basic.consume", queue="q", consumer_tag="c", exclusive=True)

    def test_prefetch_of_a_consumer(self):
        channel = self.queue(*"01234567")
        channel("basic.qos", prefetch_count=2)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(2)
        channel.quiet()
        channel("basic.ack", delivery_tag=1)
        channel.read()
        channel("basic.nack", delivery_tag=3, multiple=True, requeue=False)
        channel.read(2)
        channel.quiet()

    def test_prefetch_counts_for_each_consumer(self):
        channel = self.queue(*"012345")
        channel("basic.qos", prefetch_count=2)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(2)
        channel("basic.consume", queue="q", consumer_tag="d")
        channel.read(2)
        channel.quiet()

    @case.differs("what the limit frees goes to the consumer that has waited; RabbitMQ gives it to the first again")
    def test_prefetch_of_a_channel(self):
        channel = self.queue(*"012345")
        channel("basic.qos", prefetch_count=3, **{"global": True})
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(3)
        channel("basic.consume", queue="q", consumer_tag="d")
        channel.quiet()
        channel("basic.ack", delivery_tag=1)
        channel.read()

    @case.differs("both limits hold; RabbitMQ 3.10 forgets the channel's where consumers have their own")
    def test_both_prefetches(self):
        channel = self.queue(*"012345")
        channel("basic.qos", prefetch_count=3, **{"global": True})
        channel("basic.qos", prefetch_count=2)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(2)
        channel.quiet()
        channel("basic.consume", queue="q", consumer_tag="d")
        channel.read(1)
        channel.quiet()

    def test_prefetch_changed_later(self):
        channel = self.queue(*"012345")
        channel("basic.qos", prefetch_count=1)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read()
        channel("basic.qos", prefetch_count=3)
        channel.quiet()
        channel("basic.consume", queue="q", consumer_tag="d")
        channel.read(3)
        channel.quiet()

    def test_a_channel_prefetch_raised_later(self):
        channel = self.queue(*"012345")
        channel("basic.qos", prefetch_count=1, **{"global": True})
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read()
        channel("basic.qos", prefetch_count=3, **{"global": True})
        channel.read(2)
        channel.quiet()
        channel("basic.qos", prefetch_count=0, **{"global": True})
        channel.read(3)

    def test_prefetch_in_bytes(self):
        self.ask("basic.qos", prefetch_size=10)

    def test_get_does_not_count_for_prefetch(self):
        channel = self.queue(*"0123")
        channel("basic.qos", prefetch_count=1)
        channel("basic.get", queue="q")
        channel("basic.get", queue="q")
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read()
        channel.quiet()

    def test_get(self):
        channel = self.queue("0", "1")
        channel("basic.get", queue="q")
        channel("basic.get", queue="q", no_ack=True)
        channel("basic.get", queue="q")
        channel("basic.ack", delivery_tag=1)
        channel("basic.ack", delivery_tag=2)
        channel.read()

    def test_unknown_delivery_tags(self):
        for name, arguments in (("basic.ack", {"delivery_tag": 1}), ("basic.ack", {"delivery_tag": 7, "multiple": True}), ("basic.ack", {}),
                                ("basic.nack", {"delivery_tag": 3}), ("basic.nack", {}), ("basic.reject", {"delivery_tag": 4}), ("basic.reject", {}),
                                ("basic.nack", {"delivery_tag": 9, "multiple": True})):
            self.ask(name, **arguments)
            self.channel.read()

    def test_all_of_nothing(self):
        self.ask("basic.ack", delivery_tag=0, multiple=True)
        self.ask("basic.nack", delivery_tag=0, multiple=True)
        self.ask("basic.qos", prefetch_count=1)

    def test_twice_acknowledged(self):
        channel = self.queue("0", "1")
        channel("basic.get", queue="q")
        channel("basic.get", queue="q")
        channel("basic.ack", delivery_tag=1)
        channel("basic.ack", delivery_tag=1)
        channel.read()
        self.own_channel().await_count("q", messages=1)
        self.ask("basic.get", queue="q")

    def test_an_older_tag_with_multiple(self):
        channel = self.queue("0", "1", "2")
        for _ in range(3):
            channel("basic.get", queue="q")
        channel("basic.ack", delivery_tag=2)
        channel("basic.ack", delivery_tag=2, multiple=True)
        channel("basic.ack", delivery_tag=3)
        channel("basic.qos", prefetch_count=1)

    def test_tags_belong_to_their_channel(self):
        channel = self.queue("0")
        channel("basic.get", queue="q")
        second = channel.connection.channel(2)
        second("basic.ack", delivery_tag=1)
        second.read()
        channel("basic.ack", delivery_tag=1)
        channel("basic.qos", prefetch_count=1)

    def test_returned_messages_take_their_old_place(self):
        channel = self.queue(*"01234")
        for _ in range(3):
            channel("basic.get", queue="q")
        channel("basic.nack", delivery_tag=2, requeue=True)
        channel("basic.reject", delivery_tag=1, requeue=True)
        channel("basic.nack", delivery_tag=3, requeue=True)
        channel.await_count("q", messages=5)
        for _ in range(5):
            channel("basic.get", queue="q")

    def test_all_returned_at_once(self):
        channel = self.queue(*"0123")
        for _ in range(4):
            channel("basic.get", queue="q")
        channel("basic.ack", delivery_tag=2)
        channel("basic.nack", delivery_tag=0, multiple=True, requeue=True)
        channel.await_count("q", messages=3)
        for _ in range(4):
            channel("basic.get", queue="q", no_ack=True)

    def test_rejected_messages_are_gone(self):
        channel = self.queue("0", "1")
        channel("basic.get", queue="q")
        channel("basic.reject", delivery_tag=1)
        channel("basic.get", queue="q")
        channel("basic.nack", delivery_tag=2)
        channel("basic.get", queue="q")

    def test_a_closed_channel_returns_its_messages(self):
        channel = self.queue(*"0123")
        second = channel.connection.channel(2)
        second("basic.consume", queue="q", consumer_tag="c")
        second.read(4)
        second("basic.ack", delivery_tag=2)
        second("channel.close", reply_code=200)
        channel.await_count("q", messages=3, consumers=0)
        for _ in range(4):
            channel("basic.get", queue="q", no_ack=True)

    def test_a_lost_connection_returns_its_messages(self):
        channel = self.queue(*"012")
        other = self.open()
        other("basic.consume", queue="q", consumer_tag="c")
        other.read(3)
        other.connection.drop()
        channel.await_count("q", messages=3, consumers=0)
        for _ in range(3):
            channel("basic.get", queue="q", no_ack=True)

    def test_recover(self):
        channel = self.queue("0", "1")
        channel("basic.get", queue="q")
        channel("basic.get", queue="q")
        channel("basic.recover", requeue=True)
        channel.await_count("q", messages=2)
        channel("basic.get", queue="q")
        channel("basic.ack", delivery_tag=1)
        channel.read()

    def test_recover_async(self):
        channel = self.queue("0")
        channel("basic.get", queue="q")
        channel("basic.recover-async", requeue=True)
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")

    def test_recover_to_a_consumer(self):
        channel = self.queue("0", "1")
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read(2)
        channel.connection.send_quiet(1, "basic.recover", requeue=True)
        events = [channel.connection.next_event(1) for _ in range(3)]
        self.say("recover-ok and both again: " + " ".join(sorted(e.name for e in events)))
        self.say("in order and marked: " + " ".join(f"{e.body.decode()} {e.arguments['redelivered']}" for e in events if e.body))

    def test_recover_without_requeue(self):
        for name in ("basic.recover", "basic.recover-async"):
            self.own_channel().connection.send_quiet(1, name, requeue=False)
            self.channel.read()

    def test_flow(self):
        self.ask("channel.flow", active=True)
        self.ask("channel.flow", active=False)

    def test_a_deleted_queue_cancels_its_consumers(self):
        channel = self.queue()
        other = self.open()
        other("basic.consume", queue="q", consumer_tag="c")
        other("basic.consume", queue="q", consumer_tag="d")
        channel("queue.delete", queue="q")
        other.read(2)
        other("basic.cancel", consumer_tag="c")

    def test_a_client_that_cannot_hear_of_cancelled_consumers(self):
        channel = self.queue()
        other = self.open(capabilities={})
        other("basic.consume", queue="q", consumer_tag="c")
        channel("queue.delete", queue="q")
        other.quiet()

    def test_messages_of_a_deleted_queue_can_be_settled(self):
        channel = self.queue("0")
        channel("basic.get", queue="q")
        channel("queue.delete", queue="q")
        channel("basic.ack", delivery_tag=1)
        channel("basic.qos", prefetch_count=1)

    def test_round_robin(self):
        channel = self.queue()
        others = [channel.connection.channel(n) for n in (2, 3)]
        for other in others:
            other("basic.consume", queue="q", consumer_tag=f"c{other.number}", no_ack=True)
        for body in "012345":
            channel.publish("", "q", body)
        for other in others:
            other.read(3)

    def test_consumer_priorities(self):
        channel = self.queue()
        low, high = channel.connection.channel(2), channel.connection.channel(3)
        low("basic.qos", prefetch_count=2)
        low("basic.consume", queue="q", consumer_tag="low", arguments={"x-priority": -5})
        high("basic.qos", prefetch_count=2)
        high("basic.consume", queue="q", consumer_tag="high", arguments={"x-priority": 10})
        for body in "01234":
            channel.publish("", "q", body)
        high.read(2)
        low.read(2)
        high("basic.ack", delivery_tag=1)
        high.read()

    def test_bad_consumer_priorities(self):
        for value in ("1", 1.5, True):
            self.queue()
            self.ask("basic.consume", queue="q", consumer_tag="c", arguments={"x-priority": value})

    def test_single_active_consumer(self):
        channel = self.queue(arguments={"x-single-active-consumer": True})
        first, second = channel.connection.channel(2), channel.connection.channel(3)
        first("basic.consume", queue="q", consumer_tag="first")
        second("basic.consume", queue="q", consumer_tag="second")
        for body in "012":
            channel.publish("", "q", body)
        first.read(3)
        second.quiet()
        first("basic.ack", delivery_tag=1)
        first("basic.cancel", consumer_tag="first")
        channel.publish("", "q", "3")
        second.read(1)
        first("channel.close", reply_code=200)
        second.read(2)

    def test_no_exclusive_consumer_of_a_single_active_queue(self):
        channel = self.queue(arguments={"x-single-active-consumer": True})
        channel("basic.consume", queue="q", consumer_tag="c", exclusive=True)

    def test_messages_come_in_the_order_of_publishing(self):
        channel = self.queue()
        channel("basic.consume", queue="q", consumer_tag="c", no_ack=True)
        for at in range(500):
            channel.publish("", "q", str(at), says=False)
        bodies = [channel.connection.next_event(1).body for _ in range(500)]
        self.say("in order: " + str(bodies == [str(at).encode() for at in range(500)]))

    def test_counts_are_those_of_ready_messages_and_consumers(self):
        channel = self.queue("0", "1", "2")
        channel("basic.get", queue="q")
        channel("basic.qos", prefetch_count=1)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel.read()
        channel("queue.declare", queue="q")
        channel("basic.cancel", consumer_tag="c")
        channel("queue.declare", queue="q")


if __name__ == "__main__":
    unittest.main()
