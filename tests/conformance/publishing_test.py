"""Publishing: returns, confirms, checks of properties, transactions, direct reply-to."""
import unittest

import case


class PublishingTest(case.Case):
    def test_to_a_missing_exchange(self):
        self.own_channel().publish("nothing", "k", "m")
        self.channel.read()

    def test_mandatory_messages_come_back(self):
        channel = self.own_channel()
        channel.publish("", "nowhere", "back", mandatory=True, content_type="text/plain", headers={"a": 1})
        channel.read()
        channel.publish("amq.fanout", "key", "", mandatory=True)
        channel.read()
        channel.publish("", "nowhere", "lost")
        channel("basic.qos", prefetch_count=1)

    def test_the_return_comes_before_the_confirm(self):
        channel = self.own_channel()
        channel("confirm.select")
        for body in ("0", "1"):
            channel.publish("", "nowhere", body, mandatory=True)
            channel.read(2)

    def test_immediate(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m", immediate=True)
        self.channel.read()

    def test_confirms(self):
        channel = self.own_channel()
        channel("queue.declare", queue="q", durable=True)
        channel("confirm.select")
        channel("confirm.select")
        channel.publish("", "q", "transient")
        channel.publish("", "q", "persistent", delivery_mode=2)
        channel.publish("", "nowhere", "unroutable")
        channel.confirms(3)

    def test_confirms_of_many(self):
        channel = self.own_channel()
        channel("queue.declare", queue="q1", durable=True)
        channel("queue.declare", queue="q2", durable=True)
        channel("confirm.select")
        for at in range(200):
            channel.publish("", "q1", str(at), delivery_mode=2, says=False, headers={"CC": ["q2"]})
        channel.confirms(200)
        channel("queue.declare", queue="q2", passive=True)

    def test_confirm_with_nowait(self):
        channel = self.own_channel()
        channel("confirm.select", nowait=True)
        channel.publish("", "nowhere", "m")
        channel.read()

    def test_a_refused_publish_is_not_confirmed(self):
        channel = self.own_channel()
        channel("confirm.select")
        channel.publish("nothing", "k", "m")
        channel.read()

    def test_tags_start_with_confirm_select(self):
        channel = self.own_channel()
        channel.publish("", "nowhere", "before")
        channel("confirm.select")
        channel.publish("", "nowhere", "after")
        channel.read()

    def test_one_mode_a_channel(self):
        self.ask("confirm.select")
        self.ask("tx.select")
        self.ask("tx.select")
        self.ask("confirm.select")
        self.ask("tx.select")
        self.own_channel().connection.send_quiet(1, "confirm.select", nowait=True)
        self.channel.read()

    def test_user_id(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m", user_id="guest")
        self.ask("basic.get", queue="q", no_ack=True)
        self.channel.publish("", "q", "m", user_id="bob")
        self.channel.read()

    def test_expirations(self):
        for expiration in ("abc", "-1", "1.5", "", " 1", "1 ", "10s", "0x10", "+5", "99999999999999", "4294967295", "4294967296"):
            channel = self.own_channel()
            channel.publish("amq.fanout", "k", "m", expiration=expiration)
            self.ask("basic.qos", prefetch_count=1)
            if not channel.is_open:
                self.channel = None

    def test_priorities_and_delivery_modes_of_any_value(self):
        self.ask("queue.declare", queue="q", durable=True)
        for properties in ({"priority": 255}, {"delivery_mode": 1}, {"delivery_mode": 2}):
            self.channel.publish("", "q", "m", **properties)
            self.ask("basic.get", queue="q", no_ack=True)
        for mode in (0, 3, 255):
            self.own_channel().publish("", "q", "m", delivery_mode=mode)
            self.channel.read()
            self.own_channel().publish("", "q", "m", delivery_mode=mode, content_type="text/plain")
            self.channel.read()

    @case.differs("refused when it is announced; RabbitMQ waits for the whole body first")
    def test_an_announced_body_too_large(self):
        import wire
        channel = self.own_channel()
        channel.connection.send(wire.frame(wire.METHOD, 1, wire.encode_method("basic.publish", {"routing_key": "q"})) +
                                wire.frame(wire.HEADER, 1, wire.encode_header(134217729, {})))
        channel.read(timeout=3)
        if not channel.is_open:
            channel.reopen()("basic.qos", prefetch_count=1)

    def test_all_properties_pass(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m", content_type="text/plain", content_encoding="gzip", headers={"h": "v"}, delivery_mode=1, priority=3,
                             correlation_id="c", reply_to="r", expiration="60000", message_id="i", timestamp=1500000000, type="t",
                             user_id="guest", app_id="a", cluster_id="k")
        self.ask("basic.get", queue="q", no_ack=True)

    def test_empty_properties_are_properties(self):
        self.ask("queue.declare", queue="q")
        self.channel.publish("", "q", "m", content_type="", headers={}, message_id="", timestamp=0, correlation_id="")
        self.connection.send_quiet(1, "basic.get", queue="q", no_ack=True)
        event = self.connection.next_event(1)
        self.say("the header's bytes: " + event.raw_header.hex(" "))

    # -- transactions

    def test_a_transaction(self):
        self.ask("queue.declare", queue="q", durable=True)
        other = self.open()
        self.ask("tx.select")
        self.ask("tx.select")
        self.channel.publish("", "q", "0", delivery_mode=2)
        self.channel.publish("", "q", "1")
        other("queue.declare", queue="q", passive=True)
        self.ask("tx.commit")
        other("queue.declare", queue="q", passive=True)
        self.channel.publish("", "q", "2")
        self.ask("tx.rollback")
        self.ask("tx.commit")
        other("queue.declare", queue="q", passive=True)

    def test_acknowledgements_in_a_transaction(self):
        self.ask("queue.declare", queue="q")
        for body in "0123":
            self.channel.publish("", "q", body)
        self.ask("tx.select")
        for _ in range(4):
            self.ask("basic.get", queue="q")
        self.ask("basic.ack", delivery_tag=1)
        self.ask("tx.rollback")
        self.say("rolled back: the tag can be settled again")
        self.ask("basic.ack", delivery_tag=1)
        self.ask("basic.nack", delivery_tag=3, requeue=True)
        self.ask("queue.declare", queue="q", passive=True)
        self.ask("tx.commit")
        self.channel.await_count("q", messages=1)
        self.say("what nobody committed returns with the channel")
        self.ask("basic.ack", delivery_tag=2)
        self.ask("channel.close", reply_code=200)
        self.channel = self.channel.reopen()
        self.channel.await_count("q", messages=3)
        for _ in range(3):
            self.ask("basic.get", queue="q", no_ack=True)

    def test_errors_in_a_transaction(self):
        self.ask("tx.select")
        self.ask("basic.ack", delivery_tag=9)
        self.channel.read()
        self.ask("tx.select")
        self.channel.publish("nothing", "k", "m")
        self.channel.read()

    def test_returns_wait_for_the_commit(self):
        self.ask("tx.select")
        self.channel.publish("", "nowhere", "m", mandatory=True)
        self.ask("basic.qos", prefetch_count=1)
        self.connection.send_quiet(1, "tx.commit")
        self.channel.read(2)

    def test_transactions_need_select(self):
        self.ask("tx.commit")
        self.ask("tx.rollback")

    def test_a_closed_channel_forgets_its_transaction(self):
        self.ask("queue.declare", queue="q")
        self.ask("tx.select")
        self.channel.publish("", "q", "m")
        self.ask("channel.close", reply_code=200)
        self.channel = self.channel.reopen()
        self.ask("queue.declare", queue="q", passive=True)

    # -- direct reply-to

    def test_direct_reply_to(self):
        server = self.open()
        server("queue.declare", queue="calls")
        client = self.open()
        client("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="replies", no_ack=True)
        client.publish("", "calls", "ask", reply_to="amq.rabbitmq.reply-to", correlation_id="1")
        server.await_count("calls", messages=1)
        call = server("basic.get", queue="calls", no_ack=True)
        server("queue.declare", queue=call.properties["reply_to"], passive=True)
        server.publish("", call.properties["reply_to"], "answer", correlation_id="1")
        client.read()
        client("channel.close", reply_code=200)
        server.publish("", call.properties["reply_to"], "too late", mandatory=True)
        server.read()

    @case.differs("a reply that is taken is not returned; RabbitMQ returns every mandatory reply")
    def test_a_mandatory_direct_reply(self):
        client = self.open()
        client("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="replies", no_ack=True)
        self.ask("queue.declare", queue="calls")
        client.publish("", "calls", "ask", reply_to="amq.rabbitmq.reply-to")
        self.channel.await_count("calls", messages=1)
        call = self.ask("basic.get", queue="calls", no_ack=True)
        self.channel.publish("", call.properties["reply_to"], "answer", mandatory=True)
        client.read()
        self.channel.quiet(0.3)

    def test_direct_reply_to_errors(self):
        self.own_channel().publish("", "q", "m", reply_to="amq.rabbitmq.reply-to")
        self.channel.read()
        self.ask("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="c")
        self.ask("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="c", no_ack=True)
        self.ask("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="d", no_ack=True)
        self.ask("queue.declare", queue="amq.rabbitmq.reply-to")
        self.ask("queue.declare", queue="amq.rabbitmq.reply-to", passive=True)
        self.ask("queue.declare", queue="amq.rabbitmq.reply-to.invented", passive=True)
        self.ask("queue.delete", queue="amq.rabbitmq.reply-to")
        self.ask("basic.get", queue="amq.rabbitmq.reply-to")

    def test_a_cancelled_reply_consumer(self):
        self.ask("basic.consume", queue="amq.rabbitmq.reply-to", consumer_tag="c", no_ack=True)
        self.ask("basic.cancel", consumer_tag="c")
        self.channel.publish("", "q", "m", reply_to="amq.rabbitmq.reply-to")
        self.channel.read()

    def test_access_request_of_the_old_protocol(self):
        self.ask("access.request", realm="/data", active=True, read=True)


if __name__ == "__main__":
    unittest.main()
