"""Queues: declaring and its arguments, exclusive ones, purging, deleting, expiry, names."""
import unittest

import case
from wire import Typed


class QueuesTest(case.Case):
    def test_declare_passive_delete(self):
        self.ask("queue.declare", queue="q", durable=True)
        self.ask("queue.declare", queue="q", durable=True)
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("queue.delete", queue="q")
        self.ask("queue.delete", queue="q")
        self.ask("queue.declare", queue="q", passive=True)

    def test_nowait_says_nothing(self):
        self.ask("queue.declare", queue="q", nowait=True)
        self.ask("queue.declare", queue="q", passive=True, nowait=True)
        self.ask("queue.bind", queue="q", exchange="amq.direct", routing_key="k", nowait=True)
        self.ask("queue.purge", queue="q", nowait=True)
        self.ask("queue.delete", queue="q", nowait=True)
        self.ask("queue.declare", queue="q", passive=True)

    def test_nowait_errors_are_told(self):
        for name, arguments in (("queue.declare", {"passive": True}), ("queue.bind", {"exchange": "amq.direct"}), ("queue.purge", {})):
            self.ask(name, queue="nothing", nowait=True, **arguments)
            self.channel.read()

    def test_the_last_declared_queue(self):
        for name in ("queue.bind", "queue.unbind", "queue.purge", "queue.delete", "basic.get", "basic.consume"):
            self.ask(name, **({"exchange": "amq.direct"} if name.endswith("bind") else {}))
        self.ask("queue.declare", queue="", exclusive=True)
        self.ask("queue.bind", exchange="amq.direct")
        self.say("the key of a binding of the last queue is the queue's name")
        self.ask("queue.unbind", exchange="amq.direct")
        self.ask("basic.get")
        self.ask("queue.purge")
        self.ask("queue.delete")
        self.ask("queue.delete")

    def test_passive_with_an_empty_name(self):
        self.ask("queue.declare", passive=True)

    def test_reserved_names(self):
        self.ask("queue.declare", queue="amq.mine")
        self.ask("queue.declare", queue="amq.mine", passive=True)
        self.ask("queue.delete", queue="amq.mine")

    def test_inequivalent_flags(self):
        self.ask("queue.declare", queue="q", durable=True)
        for other in ({"durable": False}, {"durable": True, "auto_delete": True}, {"durable": True, "exclusive": True}):
            self.ask("queue.declare", queue="q", **other)

    def test_inequivalent_arguments(self):
        arguments = {"x-message-ttl": 60000, "x-expires": 60000, "x-max-length": 10, "x-max-length-bytes": 1000, "x-overflow": "drop-head",
                     "x-dead-letter-exchange": "amq.fanout", "x-dead-letter-routing-key": "k", "x-max-priority": 5,
                     "x-single-active-consumer": True, "x-queue-type": "classic", "x-queue-mode": "default", "x-foo": 1}
        self.ask("queue.declare", queue="q", arguments=arguments)
        self.ask("queue.declare", queue="q", arguments=arguments)
        others = {"x-message-ttl": 1, "x-expires": 1, "x-max-length": 1, "x-max-length-bytes": 1, "x-overflow": "reject-publish",
                  "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "", "x-max-priority": 1, "x-single-active-consumer": False,
                  "x-queue-mode": "lazy", "x-foo": 2}
        for name, value in others.items():
            self.say(name + " with another value")
            self.ask("queue.declare", queue="q", arguments=dict(arguments, **{name: value}))
        for name in arguments:
            self.say(name + " missing")
            self.ask("queue.declare", queue="q", arguments={k: v for k, v in arguments.items() if k != name})

    def test_arguments_added_later(self):
        self.ask("queue.declare", queue="q")
        for name, value in {"x-message-ttl": 1000, "x-expires": Typed("l", 9000), "x-max-length": 1, "x-max-length-bytes": 1,
                            "x-overflow": "drop-head", "x-dead-letter-exchange": "x", "x-max-priority": Typed("b", 1),
                            "x-single-active-consumer": True, "x-queue-mode": "lazy", "x-foo": "y"}.items():
            self.say(name)
            self.ask("queue.declare", queue="q", arguments={name: value})

    def test_default_queue_type_named_later(self):
        self.ask("queue.declare", queue="q")
        self.ask("queue.declare", queue="q", arguments={"x-queue-type": "classic"})

    def test_integers_of_any_width_are_equal(self):
        self.ask("queue.declare", queue="q", arguments={"x-message-ttl": 100})
        for letter in "bBsuIil":
            self.ask("queue.declare", queue="q", arguments={"x-message-ttl": Typed(letter, 100)})

    def test_another_queue_type(self):
        self.ask("queue.declare", queue="q", durable=True)
        self.ask("queue.declare", queue="q", durable=True, arguments={"x-queue-type": "quorum"})
        self.ask("queue.declare", queue="qq", durable=True, arguments={"x-queue-type": "quorum"})
        self.ask("queue.declare", queue="qq", durable=True)
        self.ask("queue.declare", queue="qq", durable=True, arguments={"x-queue-type": "quorum"})

    def test_invalid_arguments(self):
        rows = []
        for name in ("x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority"):
            rows += [{name: -1}, {name: "1"}, {name: 1.5}, {name: True}, {name: None}]
        rows += [{"x-expires": 0}, {"x-message-ttl": Typed("l", 2**32)}, {"x-message-ttl": Typed("l", 2**40)}, {"x-expires": Typed("l", 2**40)},
                 {"x-max-priority": 256}, {"x-max-priority": 0}, {"x-overflow": "nonsense"}, {"x-overflow": 1},
                 {"x-dead-letter-exchange": 1}, {"x-dead-letter-routing-key": "k"}, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 1},
                 {"x-single-active-consumer": "yes"}, {"x-single-active-consumer": 1}, {"x-queue-type": "nonsense"}, {"x-queue-type": 1},
                 {"x-queue-mode": "nonsense"}, {"x-queue-mode": 1}]
        for row in rows:
            event = self.ask("queue.declare", queue="q", arguments=row)
            if event.name == "queue.declare-ok":
                self.ask("queue.delete", queue="q")

    @case.differs("x-delivery-limit works on classic queues too and is checked and compared there")
    def test_delivery_limit_of_a_classic_queue(self):
        self.ask("queue.declare", queue="q")
        self.ask("queue.declare", queue="q", arguments={"x-delivery-limit": 3})
        self.ask("queue.delete", queue="q")
        self.ask("queue.declare", queue="q", arguments={"x-delivery-limit": -1})

    def test_invalid_quorum_queues(self):
        quorum = {"x-queue-type": "quorum"}
        for flags, arguments in (({}, {}), ({"durable": True, "exclusive": True}, {}), ({"durable": True, "auto_delete": True}, {}),
                                 ({"durable": True}, {"x-max-priority": 5}), ({"durable": True}, {"x-queue-mode": "lazy"}),
                                 ({"durable": True}, {"x-overflow": "reject-publish-dlx"}), ({"durable": True}, {"x-overflow": "reject-publish"}),
                                 ({"durable": True}, {"x-dead-letter-strategy": "nonsense"}), ({"durable": True}, {"x-foo": "bar"}),
                                 ({"durable": True}, {"x-quorum-initial-group-size": 1}), ({"durable": True}, {"x-max-in-memory-length": 5})):
            event = self.ask("queue.declare", queue="q", arguments=dict(quorum, **arguments), **flags)
            if event.name == "queue.declare-ok":
                self.ask("queue.delete", queue="q")

    @case.differs("a delivery limit that is none is refused; RabbitMQ ignores it silently")
    def test_invalid_delivery_limits(self):
        for limit in (-1, "1"):
            self.ask("queue.declare", queue="q", durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": limit})

    def test_exclusive_queues_are_locked(self):
        owner = self.open()
        owner("queue.declare", queue="q", exclusive=True)
        owner("queue.declare", queue="q", exclusive=False)
        owner = owner.reopen()
        owner.publish("", "q", "for all to publish")
        for name, arguments in (("queue.declare", {}), ("queue.declare", {"exclusive": True}), ("queue.declare", {"passive": True}),
                                ("queue.bind", {"exchange": "amq.direct"}), ("queue.unbind", {"exchange": "amq.direct"}), ("queue.purge", {}),
                                ("queue.delete", {}), ("basic.get", {}), ("basic.consume", {"consumer_tag": "c"})):
            self.ask(name, queue="q", **arguments)
        self.own_channel().publish("", "q", "from another connection")
        self.ask("basic.qos", prefetch_count=1)
        owner.await_count("q", messages=2)
        second = owner.connection.channel(2)
        second("queue.declare", queue="q", exclusive=True)

    def test_an_exclusive_queue_is_gone_before_its_owner_may_come_back(self):
        for _ in range(5):
            owner = self.open()
            owner("queue.declare", queue="q", exclusive=True)
            owner.publish("", "q", "x")
            owner.connection.close()
            self.ask("queue.declare", queue="q", passive=True)

    def test_an_exclusive_queue_goes_with_a_dead_connection(self):
        owner = self.open()
        owner("queue.declare", queue="q", exclusive=True)
        owner.connection.drop()
        self.own_channel().await_gone("q")
        self.ask("queue.declare", queue="q", passive=True)

    def test_a_durable_exclusive_queue(self):
        self.ask("queue.declare", queue="q", exclusive=True, durable=True)
        self.ask("queue.declare", queue="q", exclusive=True, durable=False)

    def test_auto_delete_goes_with_the_last_consumer(self):
        self.ask("queue.declare", queue="q", auto_delete=True)
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("basic.consume", queue="q", consumer_tag="c1")
        self.ask("basic.consume", queue="q", consumer_tag="c2")
        self.ask("basic.cancel", consumer_tag="c1")
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("basic.cancel", consumer_tag="c2")
        self.channel.await_gone("q")
        self.ask("queue.declare", queue="q", passive=True)

    def test_auto_delete_goes_with_the_channel(self):
        channel = self.open()
        channel("queue.declare", queue="q", auto_delete=True)
        channel("basic.consume", queue="q", consumer_tag="c")
        channel("channel.close", reply_code=200)
        self.own_channel().await_gone("q")
        self.ask("queue.declare", queue="q", passive=True)

    def test_purge_and_delete_count_what_is_ready(self):
        self.ask("queue.declare", queue="q")
        for i in range(5):
            self.channel.publish("", "q", str(i))
        self.ask("basic.get", queue="q")
        self.ask("basic.get", queue="q")
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("queue.purge", queue="q")
        self.ask("queue.purge", queue="q")
        self.say("what is unacknowledged stays")
        self.ask("basic.nack", delivery_tag=2, multiple=True, requeue=True)
        self.channel.await_count("q", messages=2)
        self.ask("queue.delete", queue="q")

    def test_delete_if_unused_and_if_empty(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m")
        self.ask("queue.delete", queue="q", if_empty=True)
        self.ask("basic.consume", queue="q", consumer_tag="c")
        self.channel.read()
        self.ask("queue.delete", queue="q", if_unused=True)
        self.own_channel().await_count("q", messages=1)
        self.ask("queue.delete", queue="q", if_unused=True, if_empty=True)
        self.ask("queue.purge", queue="q")
        self.ask("queue.delete", queue="q", if_unused=True, if_empty=True)

    def test_delete_if_empty_counts_the_unacknowledged(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m")
        self.ask("basic.get", queue="q")
        self.ask("queue.delete", queue="q", if_empty=True)

    def test_missing_queues(self):
        for name, arguments in (("queue.purge", {}), ("basic.get", {}), ("basic.consume", {"consumer_tag": "c"}),
                                ("queue.bind", {"exchange": "amq.direct"})):
            self.ask(name, queue="nothing", **arguments)

    def test_an_unused_queue_expires(self):
        self.ask("queue.declare", queue="q", arguments={"x-expires": 100})
        self.channel.await_gone("q", pause=0.3)
        self.ask("queue.declare", queue="q", passive=True)

    def test_a_consumer_keeps_a_queue_from_expiring(self):
        self.ask("queue.declare", queue="q", arguments={"x-expires": 150})
        self.ask("basic.consume", queue="q", consumer_tag="c")
        self.channel.quiet(0.5)
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("basic.cancel", consumer_tag="c")
        self.channel.await_gone("q", pause=0.4)

    def test_asking_for_a_queue_keeps_it_from_expiring(self):
        self.ask("queue.declare", queue="q1", arguments={"x-expires": 1500})
        self.ask("queue.declare", queue="q2", arguments={"x-expires": 1500})
        for _ in range(5):
            self.channel.quiet(0.4)
            self.ask("queue.declare", queue="q1", passive=True)
            self.ask("basic.get", queue="q2")

    def test_names(self):
        for name in ("with space", "ünï", "a/b", "x" * 255):
            self.ask("queue.declare", queue=name)
            self.ask("queue.declare", queue=name, durable=True)

    def test_names_that_are_no_utf8(self):
        self.ask("queue.declare", queue=b"a\xff\xfeb")

    @case.differs("names are taken as they are; RabbitMQ removes line breaks without a word")
    def test_line_breaks_in_names(self):
        self.ask("queue.declare", queue="a\nb\r")
        self.ask("queue.declare", queue="ab", passive=True)

    def test_permissions(self):
        channel = self.open(user="limited", password="limited")
        channel("queue.declare", queue="mine.q")
        for name, arguments in (("queue.declare", {"queue": "other"}), ("queue.declare", {"queue": "other", "passive": True}),
                                ("queue.delete", {"queue": "other"}), ("queue.purge", {"queue": "other"}), ("basic.get", {"queue": "other"}),
                                ("basic.consume", {"queue": "other"}), ("exchange.declare", {"exchange": "other", "type": "direct"}),
                                ("exchange.declare", {"exchange": "amq.direct", "passive": True}),
                                ("exchange.delete", {"exchange": "amq.direct"}), ("queue.bind", {"queue": "mine.q", "exchange": "amq.direct"}),
                                ("queue.bind", {"queue": "other", "exchange": "amq.direct"}),
                                ("exchange.bind", {"source": "amq.direct", "destination": "amq.fanout"}), ("queue.declare", {"queue": ""}),
                                ("queue.declare", {"queue": "mine.d", "arguments": {"x-dead-letter-exchange": "amq.direct"}}),
                                ("exchange.declare", {"exchange": "mine.x", "type": "direct", "arguments": {"alternate-exchange": "amq.direct"}})):
            channel(name, **arguments)
            channel = channel if channel.is_open else channel.reopen()
        for exchange in ("amq.direct", ""):
            channel.publish(exchange, "mine.q", "m")
            channel.read(timeout=1)
            channel = channel if channel.is_open else channel.reopen()


if __name__ == "__main__":
    unittest.main()
