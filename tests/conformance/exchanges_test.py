"""Exchanges: declaring, deleting, routing of every type, bindings between them, alternates."""
import unittest

import case
from wire import Typed


class ExchangesTest(case.Case):
    def routed(self, *keys, exchange="x", queues=("q1", "q2", "q3"), **properties):
        """Which queue gets what: publishes each key and empties the queues."""
        channel = self.own_channel()
        for key in keys:
            channel.publish(exchange, key, key, **properties)
            channel("basic.qos", prefetch_count=0)
        for queue in queues:
            while True:
                event = channel("basic.get", queue=queue, no_ack=True)
                if event is None or event.name != "basic.get-ok":
                    break

    def queues(self, *names):
        for name in names:
            self.ask("queue.declare", queue=name, exclusive=True)

    def test_declare_again_and_delete(self):
        for kind in ("direct", "fanout", "topic", "headers"):
            self.ask("exchange.declare", exchange="x", type=kind, durable=True)
            self.ask("exchange.declare", exchange="x", type=kind, durable=True)
            self.ask("exchange.declare", exchange="x", passive=True)
            self.ask("exchange.delete", exchange="x")
        self.ask("exchange.delete", exchange="x")
        self.ask("exchange.declare", exchange="x", passive=True)

    def test_nowait_says_nothing(self):
        self.ask("exchange.declare", exchange="x", type="direct", nowait=True)
        self.ask("exchange.declare", exchange="y", type="direct", nowait=True)
        self.ask("exchange.declare", exchange="x", type="direct", passive=True, nowait=True)
        self.ask("exchange.bind", source="x", destination="y", routing_key="k", nowait=True)
        self.ask("exchange.unbind", source="x", destination="y", routing_key="k", nowait=True)
        self.ask("exchange.delete", exchange="y", nowait=True)
        self.ask("exchange.declare", exchange="y", passive=True)

    def test_nowait_errors_are_told(self):
        self.ask("exchange.declare", exchange="nothing", passive=True, nowait=True)
        self.channel.read()

    def test_predeclared_exchanges(self):
        for name in ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"):
            self.ask("exchange.declare", exchange=name, passive=True)
        self.ask("exchange.declare", exchange="amq.direct", type="direct", durable=True)
        self.ask("exchange.declare", exchange="amq.direct", type="direct", durable=False)
        self.ask("exchange.delete", exchange="amq.direct")

    def test_the_trace_exchange(self):
        self.ask("exchange.declare", exchange="amq.rabbitmq.trace", passive=True)

    def test_reserved_names(self):
        self.ask("exchange.declare", exchange="amq.mine", type="direct")
        self.ask("exchange.delete", exchange="amq.nothing")

    def test_the_default_exchange_cannot_be_touched(self):
        self.ask("exchange.declare", exchange="", type="direct", durable=True)
        self.ask("exchange.declare", exchange="", passive=True)
        self.ask("exchange.delete", exchange="")
        self.ask("queue.declare", queue="q", exclusive=False)
        self.ask("queue.bind", queue="q", exchange="", routing_key="q")
        self.ask("queue.unbind", queue="q", exchange="", routing_key="q")
        self.ask("exchange.bind", destination="amq.direct", source="")
        self.ask("exchange.bind", destination="", source="amq.direct")
        self.ask("exchange.unbind", destination="", source="amq.direct")

    def test_inequivalent_declarations(self):
        self.ask("exchange.declare", exchange="x", type="direct", durable=True, arguments={"alternate-exchange": "amq.fanout"})
        same = {"exchange": "x", "type": "direct", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}}
        self.ask("exchange.declare", **same)
        for other in ({"type": "topic"}, {"durable": False}, {"auto_delete": True}, {"internal": True}, {"arguments": {}},
                      {"arguments": {"alternate-exchange": "other"}}, {"arguments": {"alternate-exchange": "amq.fanout", "x-foo": 1}}):
            self.ask("exchange.declare", **dict(same, **other))

    def test_arguments_of_another_type(self):
        self.ask("exchange.declare", exchange="x", type="direct", arguments={"alternate-exchange": 5})
        self.ask("exchange.declare", exchange="x", type="direct", arguments={"alternate-exchange": "amq.fanout"})

    @case.differs("the channel is closed with 406, as RabbitMQ 4 does, not the connection with 503")
    def test_unknown_type(self):
        self.ask("exchange.declare", exchange="x", type="no-such-type")

    def test_passive_ignores_the_type(self):
        self.ask("exchange.declare", exchange="amq.direct", type="topic", passive=True, durable=False)
        self.ask("exchange.declare", exchange="nothing", type="topic", passive=True)

    def test_delete_if_unused(self):
        self.ask("exchange.declare", exchange="x", type="direct")
        self.queues("q1")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="k")
        self.ask("exchange.delete", exchange="x", if_unused=True)
        self.ask("queue.unbind", queue="q1", exchange="x", routing_key="k")
        self.ask("exchange.delete", exchange="x", if_unused=True)

    def test_internal_exchanges_cannot_be_published_to(self):
        self.ask("exchange.declare", exchange="x", type="fanout")
        self.ask("exchange.declare", exchange="inside", type="fanout", internal=True)
        self.ask("exchange.bind", source="x", destination="inside")
        self.queues("q1")
        self.ask("queue.bind", queue="q1", exchange="inside")
        self.routed("k", queues=["q1"])
        self.own_channel().publish("inside", "k", "no")
        self.channel.read()

    def test_auto_delete_goes_with_the_last_binding(self):
        self.ask("exchange.declare", exchange="x", type="direct", auto_delete=True)
        self.queues("q1", "q2")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="a")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="b")
        self.ask("queue.unbind", queue="q1", exchange="x", routing_key="a")
        self.ask("exchange.declare", exchange="x", passive=True)
        self.ask("queue.unbind", queue="q1", exchange="x", routing_key="b")
        self.ask("exchange.declare", exchange="x", passive=True)

    def test_auto_delete_goes_with_the_last_queue_and_in_chains(self):
        self.ask("exchange.declare", exchange="x", type="direct", auto_delete=True)
        self.ask("exchange.declare", exchange="y", type="direct", auto_delete=True)
        self.queues("q1")
        self.ask("exchange.bind", source="x", destination="y", routing_key="a")
        self.ask("queue.bind", queue="q1", exchange="y", routing_key="a")
        self.ask("queue.delete", queue="q1")
        self.ask("exchange.declare", exchange="y", passive=True)
        self.ask("exchange.declare", exchange="x", passive=True)

    def test_binding_what_is_not_there(self):
        self.queues("q1")
        self.ask("queue.bind", queue="q1", exchange="nothing", routing_key="k")
        self.ask("queue.bind", queue="nothing", exchange="amq.direct", routing_key="k")
        self.ask("queue.unbind", queue="nothing", exchange="amq.direct", routing_key="k")
        self.ask("queue.unbind", queue="q1", exchange="nothing", routing_key="k")
        self.ask("queue.unbind", queue="q1", exchange="amq.direct", routing_key="never bound")
        self.ask("exchange.bind", source="nothing", destination="amq.direct")
        self.ask("exchange.bind", source="amq.direct", destination="nothing")
        self.ask("exchange.unbind", source="nothing", destination="amq.direct")
        self.ask("exchange.unbind", source="amq.direct", destination="nothing")

    def test_direct_and_fanout(self):
        self.queues("q1", "q2", "q3")
        self.ask("exchange.declare", exchange="x", type="direct")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="a")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="a")
        self.ask("queue.bind", queue="q2", exchange="x", routing_key="a")
        self.ask("queue.bind", queue="q2", exchange="x", routing_key="b")
        self.routed("a", "b", "", "A")
        self.ask("queue.unbind", queue="q1", exchange="x", routing_key="a")
        self.routed("a")
        self.ask("exchange.declare", exchange="f", type="fanout")
        self.ask("queue.bind", queue="q1", exchange="f", routing_key="x")
        self.ask("queue.bind", queue="q1", exchange="f", routing_key="y")
        self.routed("whatever", "", exchange="f")

    def test_topic_patterns(self):
        self.ask("exchange.declare", exchange="x", type="topic")
        patterns = ["a.b.c", "a.*.c", "a.#", "#.c", "*", "#", "*.*", "a.*.#", "#.b.#", "", "a..c", "*.#", "#.#", "**", "a.#.c", "#.*"]
        for at, pattern in enumerate(patterns):
            self.ask("queue.declare", queue=f"t{at:02}", exclusive=True)
            self.ask("queue.bind", queue=f"t{at:02}", exchange="x", routing_key=pattern)
        channel = self.channel
        for key in ("a.b.c", "a", "", "a.c", "b", "a.b", "a..c", ".", "x.b.y", "a.b.c.d", "c", "**", "a.*.c", "#", "b.b", ".c"):
            channel.publish("x", key, key, says=False)
            channel.connection.send(b"")
            hits = []
            for at, pattern in enumerate(patterns):
                channel.connection.send_quiet(1, "basic.get", queue=f"t{at:02}", no_ack=True)
                event = channel.connection.next_event(1)
                if event.name == "basic.get-ok":
                    hits.append(repr(pattern))
            self.say(f"{key!r} reaches {' '.join(hits)}")

    def test_headers_matching(self):
        self.ask("exchange.declare", exchange="x", type="headers")
        bindings = [{"x-match": "all", "a": 1, "b": "two"}, {"x-match": "any", "a": 1, "b": "two"}, {"a": 1}, {"x-match": "any"},
                    {"x-match": "all"}, {"a": None}, {"x-match": "all-with-x", "x-a": 1}, {"x-match": "any-with-x", "x-a": 1, "a": 1},
                    {"x-match": "all", "x-a": 5, "a": 1}, {"a": True}, {"a": Typed("l", 1)}, {"a": "1"}, {"a": 1.0}]
        for at, arguments in enumerate(bindings):
            self.ask("queue.declare", queue=f"h{at:02}", exclusive=True)
            self.ask("queue.bind", queue=f"h{at:02}", exchange="x", arguments=arguments)
        channel = self.channel
        for headers in ({"a": 1, "b": "two"}, {"a": 1}, {"b": "two"}, {}, None, {"x-a": 1}, {"a": 2}, {"a": None}, {"a": True}, {"a": "1"},
                        {"a": Typed("l", 1)}, {"a": Typed("b", 1)}, {"a": 1.0}, {"x-a": 5, "a": 1}, {"b": Typed("x", b"two")}):
            channel.publish("x", "ignored", "m", says=False, headers=headers)
            hits = []
            for at in range(len(bindings)):
                channel.connection.send_quiet(1, "basic.get", queue=f"h{at:02}", no_ack=True)
                if channel.connection.next_event(1).name == "basic.get-ok":
                    hits.append(str(at))
            self.say(f"{headers} reaches {' '.join(hits)}")

    def test_bad_headers_bindings(self):
        self.ask("queue.declare", queue="q")
        for arguments in ({"x-match": "some"}, {"x-match": 1}):
            self.ask("queue.bind", queue="q", exchange="amq.headers", arguments=arguments)

    def test_exchange_to_exchange(self):
        self.queues("q1", "q2", "q3")
        self.ask("exchange.declare", exchange="x", type="topic")
        self.ask("exchange.declare", exchange="y", type="direct")
        self.ask("exchange.bind", source="x", destination="y", routing_key="a.#")
        self.ask("exchange.bind", source="x", destination="y", routing_key="a.#")
        self.ask("exchange.bind", source="y", destination="x", routing_key="a.b")
        self.ask("queue.bind", queue="q1", exchange="y", routing_key="a.b")
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="a.*")
        self.ask("queue.bind", queue="q2", exchange="x", routing_key="#")
        self.routed("a.b", "a", "b")
        self.ask("exchange.unbind", source="x", destination="y", routing_key="a.#")
        self.routed("a.b")

    def test_alternate_exchange(self):
        self.queues("q1", "q2", "q3")
        self.ask("exchange.declare", exchange="other", type="fanout")
        self.ask("exchange.declare", exchange="x", type="direct", arguments={"alternate-exchange": "other"})
        self.ask("queue.bind", queue="q1", exchange="x", routing_key="a")
        self.ask("queue.bind", queue="q2", exchange="other", routing_key="")
        self.routed("a", "b")
        self.say("mandatory and taken by the alternate: no return")
        self.channel.publish("x", "b", "m", mandatory=True)
        self.ask("basic.get", queue="q2", no_ack=True)
        self.ask("exchange.delete", exchange="other")
        self.say("without the alternate it comes back")
        self.channel.publish("x", "b", "m", mandatory=True)
        self.channel.read()

    def test_alternates_in_a_circle(self):
        self.queues("q1")
        self.ask("exchange.declare", exchange="x", type="direct", arguments={"alternate-exchange": "y"})
        self.ask("exchange.declare", exchange="y", type="direct", arguments={"alternate-exchange": "x"})
        self.channel.publish("x", "nowhere", "m", mandatory=True)
        self.channel.read()

    def test_cc_and_bcc(self):
        self.queues("q1", "q2", "q3")
        self.routed("q1", exchange="", headers={"CC": ["q2", "q2", "q1"], "BCC": ["q3"], "keep": 1})
        self.routed("nowhere", exchange="", headers={"CC": ["q2"]})

    def test_bad_cc(self):
        for headers in ({"CC": "q1"}, {"BCC": 5}, {"CC": [1]}):
            self.own_channel().publish("", "q1", "m", headers=headers)
            self.channel.read(timeout=1)

    def test_one_message_a_queue_however_many_bindings_match(self):
        self.queues("q1")
        self.ask("exchange.declare", exchange="x", type="topic")
        for pattern in ("#", "a", "*"):
            self.ask("queue.bind", queue="q1", exchange="x", routing_key=pattern)
        self.routed("a", queues=["q1"])

    def test_names_of_any_bytes(self):
        for name in ("with space", "ünï", "a/b", "x" * 255):
            self.ask("exchange.declare", exchange=name, type="direct")
            self.ask("exchange.declare", exchange=name, type="fanout")

    def test_names_that_are_no_utf8(self):
        self.ask("exchange.declare", exchange=b"a\xff\xfeb", type="direct")

    @case.differs("names are taken as they are; RabbitMQ removes line breaks without a word")
    def test_line_breaks_in_names(self):
        self.ask("exchange.declare", exchange="a\nb", type="direct")
        self.ask("exchange.declare", exchange="ab", passive=True)


if __name__ == "__main__":
    unittest.main()
