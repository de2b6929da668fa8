"""What ends a message's stay: time, length, rejection, too many deliveries; and the record of it. Priorities."""
import time
import unittest

import case

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


class LimitsTest(case.Case):
    def queues(self, arguments, **flags):
        """Queue q with these arguments, and the queue of its dead."""
        channel = self.own_channel()
        channel("queue.declare", queue="dead")
        channel("queue.declare", queue="q", arguments=arguments, **flags)
        return channel

    def take(self, queue="dead", count=1):
        """Messages that come sooner or later, settled."""
        channel = self.own_channel()
        for _ in range(count):
            limit = time.monotonic() + 5
            while True:
                channel.connection.send_quiet(1, "basic.get", queue=queue, no_ack=True)
                event = channel.connection.next_event(1)
                if event is None or event.name != "basic.get-empty" or time.monotonic() > limit:
                    break
                time.sleep(0.01)
            channel.connection.note(1, event)

    # -- time

    def test_messages_of_a_queue_with_a_time_limit(self):
        channel = self.queues({"x-message-ttl": 50, **DEAD})
        channel.publish("", "q", "late", content_type="text/plain", headers={"keep": "me"})
        self.take()
        channel("basic.get", queue="q")

    def test_messages_with_a_time_limit_of_their_own(self):
        channel = self.queues(DEAD)
        channel.publish("", "q", "late", expiration="50", headers={"CC": ["also"]})
        self.take()

    def test_the_shorter_time_counts(self):
        channel = self.queues({"x-message-ttl": 60000, **DEAD})
        channel.publish("", "q", "message", expiration="20")
        self.take()
        self.ask("queue.declare", queue="q2", arguments={"x-message-ttl": 20, **DEAD})
        channel.publish("", "q2", "queue", expiration="60000")
        self.take()

    def test_time_zero_needs_a_waiting_consumer(self):
        channel = self.queues({"x-message-ttl": 0, **DEAD})
        channel.publish("", "q", "nobody is there")
        self.take()
        other = channel.connection.channel(2)
        other("basic.consume", queue="q", consumer_tag="c", no_ack=True)
        channel.publish("", "q", "for the consumer")
        other.read()

    def test_expiration_zero(self):
        channel = self.queues(DEAD)
        channel.publish("", "q", "nobody is there", expiration="0")
        self.take()
        other = channel.connection.channel(2)
        other("basic.consume", queue="q", consumer_tag="c", no_ack=True)
        channel.publish("", "q", "for the consumer", expiration="0")
        other.read()

    def test_a_message_behind_one_with_more_time(self):
        channel = self.queues(DEAD)
        channel.publish("", "q", "long", expiration="600000")
        channel.publish("", "q", "short", expiration="20")
        channel.quiet(0.2)
        channel("queue.declare", queue="dead", passive=True)
        self.ask("basic.get", queue="q", no_ack=True)
        self.ask("basic.get", queue="q", no_ack=True)
        self.take()

    def test_returned_messages_keep_their_time(self):
        channel = self.queues({"x-message-ttl": 150, **DEAD})
        channel.publish("", "q", "m")
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")
        channel.quiet(0.3)
        channel("basic.nack", delivery_tag=1, requeue=True)
        self.take()

    # -- length

    def test_the_head_drops(self):
        channel = self.queues({"x-max-length": 2, **DEAD})
        for body in "0123":
            channel.publish("", "q", body)
        channel.await_count("dead", messages=2)
        self.take("q", 2)
        self.take("dead", 2)

    def test_length_in_bytes(self):
        channel = self.queues({"x-max-length-bytes": 10, **DEAD})
        for body in ("aaaa", "bbbb", "cccc", "this is more than ten"):
            channel.publish("", "q", body)
        channel.await_count("dead", messages=4)
        channel("queue.declare", queue="q", passive=True)
        self.take("dead", 4)

    def test_length_zero(self):
        channel = self.queues({"x-max-length": 0, **DEAD})
        channel.publish("", "q", "m")
        self.take()
        other = channel.connection.channel(2)
        other("basic.consume", queue="q", consumer_tag="c", no_ack=True)
        channel.publish("", "q", "for the consumer")
        other.read()

    def test_only_ready_messages_count(self):
        channel = self.queues({"x-max-length": 1, **DEAD})
        channel.publish("", "q", "0")
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")
        channel.publish("", "q", "1")
        channel.await_count("q", messages=1)
        channel("queue.declare", queue="dead", passive=True)
        channel("basic.nack", delivery_tag=1, requeue=True)
        self.take()

    def test_publishes_are_refused(self):
        channel = self.queues({"x-max-length": 2, "x-overflow": "reject-publish", **DEAD})
        channel("confirm.select")
        for at, body in enumerate("0123", 1):
            channel.publish("", "q", body)
            channel.confirms(at, first=at)
        channel("queue.declare", queue="q", passive=True)
        channel("queue.declare", queue="dead", passive=True)
        channel("basic.get", queue="q", no_ack=True)
        channel.publish("", "q", "4")
        channel.confirms(5, first=5)

    def test_refused_publishes_are_dead_letters(self):
        channel = self.queues({"x-max-length": 1, "x-overflow": "reject-publish-dlx", **DEAD})
        channel("confirm.select")
        for at, body in enumerate("01", 1):
            channel.publish("", "q", body)
            channel.confirms(at, first=at)
        self.take()

    def test_one_refusal_of_many_queues_refuses(self):
        channel = self.queues({"x-max-length": 0, "x-overflow": "reject-publish"})
        channel("confirm.select")
        channel.publish("", "dead", "m", headers={"CC": ["q"]})
        channel.confirms(1)
        channel("queue.declare", queue="dead", passive=True)

    # -- dead letters

    def test_rejected_messages(self):
        channel = self.queues(DEAD)
        channel.publish("", "q", "0", headers={"x": 1}, expiration="60000", priority=2, delivery_mode=1)
        channel.publish("", "q", "1")
        channel.await_count("q", messages=2)
        channel("basic.get", queue="q")
        channel("basic.reject", delivery_tag=1)
        channel("basic.get", queue="q")
        channel("basic.nack", delivery_tag=2)
        channel.await_count("dead", messages=2)
        self.take("dead", 2)

    def test_without_a_routing_key_the_old_ones_stay(self):
        channel = self.own_channel()
        channel("exchange.declare", exchange="dlx", type="fanout")
        channel("queue.declare", queue="dead")
        channel("queue.bind", queue="dead", exchange="dlx")
        channel("queue.declare", queue="q", arguments={"x-dead-letter-exchange": "dlx"})
        channel("queue.bind", queue="q", exchange="amq.direct", routing_key="k")
        channel.publish("amq.direct", "k", "m", headers={"CC": ["k2"], "BCC": ["k3"]})
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")
        channel("basic.reject", delivery_tag=1)
        self.take()

    def test_a_missing_dead_letter_exchange(self):
        channel = self.queues({"x-dead-letter-exchange": "not yet there"})
        channel.publish("", "q", "m")
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")
        channel("basic.reject", delivery_tag=1)
        channel("basic.get", queue="q")

    def test_deaths_are_counted_by_queue_and_reason(self):
        channel = self.own_channel()
        channel("queue.declare", queue="a", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "b"})
        channel("queue.declare", queue="b", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "a", "x-message-ttl": 20})
        channel.publish("", "a", "m")
        for tag in (1, 2, 3):
            channel.await_count("a", messages=1)
            channel("basic.get", queue="a")
            channel("basic.reject", delivery_tag=tag)
        channel.await_count("a", messages=1)
        channel("basic.get", queue="a")

    def test_a_circle_without_rejection_is_cut(self):
        channel = self.own_channel()
        channel("queue.declare", queue="a", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "b", "x-message-ttl": 20})
        channel("queue.declare", queue="b", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "a", "x-message-ttl": 20})
        channel.publish("", "a", "m")
        channel.quiet(0.4)
        channel("queue.declare", queue="a", passive=True)
        channel("queue.declare", queue="b", passive=True)

    def test_a_queue_that_is_its_own_dead_letter_queue(self):
        channel = self.own_channel()
        channel("queue.declare", queue="q", arguments={"x-dead-letter-exchange": "", "x-message-ttl": 20})
        channel.publish("", "q", "m")
        channel.quiet(0.3)
        channel("queue.declare", queue="q", passive=True)
        channel("queue.declare", queue="q3", arguments={"x-dead-letter-exchange": ""})
        channel.publish("", "q3", "rejected")
        channel.await_count("q3", messages=1)
        channel("basic.get", queue="q3")
        channel("basic.reject", delivery_tag=1)
        channel.await_count("q3", messages=1)
        channel("basic.get", queue="q3")

    def test_a_purged_or_deleted_queue_buries_nobody(self):
        channel = self.queues(DEAD)
        channel.publish("", "q", "m")
        channel.await_count("q", messages=1)
        channel("queue.purge", queue="q")
        channel.publish("", "q", "m")
        channel.await_count("q", messages=1)
        channel("queue.delete", queue="q")
        channel.quiet()
        channel("queue.declare", queue="dead", passive=True)

    @case.differs("x-last-death-* tell the last death, as RabbitMQ 4 does")
    def test_the_headers_of_a_dead_letter(self):
        channel = self.queues({"x-message-ttl": 0, **DEAD})
        channel.publish("", "q", "m", headers={"z": 1, "a": 2})
        channel.await_count("dead", messages=1)
        channel.connection.send_quiet(1, "basic.get", queue="dead", no_ack=True)
        event = channel.connection.next_event(1)
        self.say("headers: " + " ".join(sorted(event.properties["headers"])))

    # -- priorities

    def test_priorities(self):
        channel = self.queues({"x-max-priority": 5})
        for body, priority in (("none", None), ("1", 1), ("5", 5), ("9", 9), ("0", 0), ("5 again", 5)):
            channel.publish("", "q", body, priority=priority)
        channel.await_count("q", messages=6)
        for _ in range(6):
            channel("basic.get", queue="q", no_ack=True)

    def test_returned_messages_among_priorities(self):
        channel = self.queues({"x-max-priority": 5})
        for body, priority in (("low", 1), ("high a", 4), ("high b", 4)):
            channel.publish("", "q", body, priority=priority)
        channel.await_count("q", messages=3)
        channel("basic.get", queue="q")
        channel("basic.nack", delivery_tag=1, requeue=True)
        channel.await_count("q", messages=3)
        for _ in range(3):
            channel("basic.get", queue="q", no_ack=True)

    @case.differs("the lowest priority is dropped; RabbitMQ drops the head, that is the highest")
    def test_what_drops_from_a_priority_queue(self):
        channel = self.queues({"x-max-priority": 5, "x-max-length": 2, **DEAD})
        for body, priority in (("high", 4), ("low", 1), ("middle", 2), ("low too", 0)):
            channel.publish("", "q", body, priority=priority)
        channel.await_count("dead", messages=2)
        self.take("dead", 2)
        self.take("q", 2)

    # -- quorum queues

    def quorum(self, **arguments):
        return self.queues(dict({"x-queue-type": "quorum"}, **arguments), durable=True)

    def test_deliveries_are_counted(self):
        channel = self.quorum(**{"x-delivery-limit": 2, **DEAD})
        channel.publish("", "q", "poison", delivery_mode=2)
        for tag in (1, 2, 3):
            channel.await_count("q", messages=1)
            channel("basic.get", queue="q")
            channel("basic.nack", delivery_tag=tag, requeue=True)
        self.take()

    def test_a_lost_consumer_counts_as_a_delivery(self):
        channel = self.quorum(**{"x-delivery-limit": 1, **DEAD})
        channel.publish("", "q", "poison")
        for _ in range(2):
            other = self.open()
            other("basic.consume", queue="q", consumer_tag="c")
            other.read()
            other.connection.close()
        self.take()

    def test_rejected_by_a_quorum_queue(self):
        channel = self.quorum(**DEAD)
        channel.publish("", "q", "m")
        channel.await_count("q", messages=1)
        channel("basic.get", queue="q")
        channel("basic.reject", delivery_tag=1)
        self.take()

    def test_time_limits_of_a_quorum_queue(self):
        channel = self.quorum(**{"x-message-ttl": 50, **DEAD})
        channel.publish("", "q", "late")
        self.take()

    def test_length_of_a_quorum_queue(self):
        channel = self.quorum(**{"x-max-length": 2, **DEAD})
        channel("confirm.select")
        for body in "0123":
            channel.publish("", "q", body)
        channel.confirms(4)
        self.take("dead", 2)
        self.take("q", 2)

    @case.differs("a prefetch for the whole channel works with quorum queues too")
    def test_a_channel_prefetch_and_a_quorum_queue(self):
        channel = self.quorum()
        channel("basic.qos", prefetch_count=3, **{"global": True})
        channel("basic.consume", queue="q", consumer_tag="c")

    def test_single_active_consumer_of_a_quorum_queue(self):
        channel = self.quorum(**{"x-single-active-consumer": True})
        first, second = channel.connection.channel(2), channel.connection.channel(3)
        first("basic.consume", queue="q", consumer_tag="first")
        second("basic.consume", queue="q", consumer_tag="second")
        channel.publish("", "q", "0")
        first.read()
        second.quiet()
        first("basic.ack", delivery_tag=1)
        first("basic.cancel", consumer_tag="first")
        channel.publish("", "q", "1")
        second.read()


if __name__ == "__main__":
    unittest.main()
