"""Field tables: every type passes byte for byte, in headers and in arguments."""
import unittest

import case
import wire
from wire import Typed

VALUES = {
    "t": Typed("t", True), "f": Typed("t", False), "b": Typed("b", -128), "B": Typed("B", 255), "s": Typed("s", -32768),
    "u": Typed("u", 65535), "I": Typed("I", -2147483648), "i": Typed("i", 4294967295), "l": Typed("l", -2**63), "f32": Typed("f", 1.5),
    "d": Typed("d", -2.25), "D": Typed("D", (2, 31415)), "S": Typed("S", "text"), "empty": Typed("S", ""), "A": Typed("A", [1, "two", [], {}]),
    "T": Typed("T", 1500000000), "F": Typed("F", {"in": {"deeper": Typed("A", [None])}}), "V": Typed("V", None), "x": Typed("x", b"\x00\xff\xfe"),
}


class TablesTest(case.Case):
    def back(self, headers):
        """What a message's header is after its way through a queue."""
        channel = self.own_channel()
        channel.connection.send_quiet(1, "queue.declare", queue="tables", exclusive=True)
        channel.connection.next_event(1)
        channel.publish("", "tables", "m", says=False, headers=headers)
        channel.connection.send_quiet(1, "basic.get", queue="tables", no_ack=True)
        event = channel.connection.next_event(1)
        return event.raw_header if event is not None else None

    def test_every_type_byte_for_byte(self):
        for name, value in VALUES.items():
            sent = wire.encode_header(1, {"headers": {name: value}})
            got = self.back({name: value})
            self.say(f"{name}: {'the same bytes' if got == sent else got and got.hex(' ')}")

    def test_all_types_in_one_table(self):
        sent = wire.encode_header(1, {"headers": VALUES})
        self.say("the same bytes: " + str(self.back(VALUES) == sent))

    @case.differs("an unsigned 64-bit integer L is refused as an unknown type with 501; RabbitMQ closes the socket")
    def test_a_letter_nobody_sends(self):
        self.own_channel().publish("", "q", "m", headers={"a": Typed("L", 5)})
        self.channel.read(timeout=2)

    def test_the_order_of_headers_is_kept(self):
        headers = {key: 1 for key in "zyxabc"}
        sent = wire.encode_header(1, {"headers": headers})
        self.say("the same bytes: " + str(self.back(headers) == sent))

    def test_keys_twice(self):
        entry = wire._short_string("k") + wire.encode_value(1)
        table = wire.struct.pack(">I", 2 * len(entry)) + entry + entry
        self.say("the same bytes: " + str(self.back(table) == wire.encode_header(1, {"headers": table})))

    def test_long_keys_and_values(self):
        headers = {"k" * 128: "v" * 50000, "": "no name"}
        sent = wire.encode_header(1, {"headers": headers})
        self.say("the same bytes: " + str(self.back(headers) == sent))

    def test_texts_of_any_bytes(self):
        headers = {"a": Typed("S", b"\xff\xfe\x00")}
        sent = wire.encode_header(1, {"headers": headers})
        self.say("the same bytes: " + str(self.back(headers) == sent))

    def test_headers_of_dead_letters_keep_their_types(self):
        channel = self.own_channel()
        channel("queue.declare", queue="dead")
        channel("queue.declare", queue="q", arguments={"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
        channel.publish("", "q", "m", headers=VALUES)
        channel.await_count("dead", messages=1)
        channel("basic.get", queue="dead", no_ack=True)

    def test_types_in_arguments(self):
        for name, value in VALUES.items():
            self.ask("queue.declare", queue="q", arguments={"x-mine": value})
            self.ask("queue.bind", queue="q", exchange="amq.direct", routing_key=name, arguments={"x-mine": value})
            self.ask("queue.unbind", queue="q", exchange="amq.direct", routing_key=name, arguments={"x-mine": value})

    def test_bindings_differ_by_their_arguments(self):
        self.ask("queue.declare", queue="q")
        self.ask("queue.bind", queue="q", exchange="amq.direct", routing_key="k", arguments={"a": 1})
        self.ask("queue.bind", queue="q", exchange="amq.direct", routing_key="k", arguments={"a": 2})
        self.ask("queue.unbind", queue="q", exchange="amq.direct", routing_key="k")
        self.ask("queue.unbind", queue="q", exchange="amq.direct", routing_key="k", arguments={"a": 1})
        self.channel.publish("amq.direct", "k", "m", mandatory=True)
        self.ask("queue.unbind", queue="q", exchange="amq.direct", routing_key="k", arguments={"a": 2})
        self.channel.publish("amq.direct", "k", "m", mandatory=True)
        self.channel.read()


if __name__ == "__main__":
    unittest.main()
