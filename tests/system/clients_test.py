"""Third-party clients, unmodified: pika, aiormq, amqplib (JavaScript) and librabbitmq (amqp-tools)."""
import asyncio
import pathlib
import socket
import struct
import subprocess
import time
import unittest

import aiormq
import pika

import baton
import raw

NODE = pathlib.Path(__file__).resolve().parent / "node"


class NagleTest(baton.ServerTest):
    """Clients that write in small pieces and keep Nagle's algorithm, as most languages' sockets come."""

    def test_a_second_small_write_does_not_wait_for_a_delayed_acknowledgement(self):
        worker = raw.Client(self.server.amqp).log_in().open_channel()
        self.addCleanup(worker.close)
        self.assertEqual(worker.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 0)
        worker.declare("nagle.tasks").declare("nagle.results")
        worker.send(raw.publish(1, "nagle.tasks", b"task") * 60)
        worker.send(raw.method(1, 60, 10, struct.pack(">IHB", 0, 1, 0)))
        worker.read_method(60, 11)
        worker.consume("nagle.tasks", no_ack=False)
        worker.read_method(60, 60)
        waits = []
        for tag in range(1, 41):
            began = time.monotonic()
            # A report that nobody confirms, and behind it, in a write of its own, what brings the next task.
            worker.send(raw.publish(1, "nagle.results", b"done"))
            worker.send(raw.method(1, 60, 80, struct.pack(">QB", tag, 0)))
            worker.read_method(60, 60)
            waits.append(time.monotonic() - began)
        self.assertLess(sorted(waits)[20], 0.03, f"the kernel's 40 ms: {waits}")


class PikaTest(baton.ServerTest):
    def setUp(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.channel = self.connection.channel()
        self.addCleanup(lambda: self.connection.is_open and self.connection.close())

    def queue(self, **arguments):
        return self.channel.queue_declare("", exclusive=True, **arguments).method.queue

    def take(self, queue):
        return baton.wait_for(lambda: (lambda got: got if got[0] else None)(self.channel.basic_get(queue, auto_ack=True)),
                              "a message comes", 10)

    def test_confirmed_publish_and_mandatory_return(self):
        self.channel.confirm_delivery()
        queue = self.queue()
        self.channel.basic_publish("", queue, "x", mandatory=True)
        with self.assertRaises(pika.exceptions.UnroutableError):
            self.channel.basic_publish("", "nobody", "x", mandatory=True)

    def test_requeued_messages_keep_their_place(self):
        queue = self.queue()
        for i in range(5):
            self.channel.basic_publish("", queue, str(i))
        tags = [self.channel.basic_get(queue)[0].delivery_tag for _ in range(3)]
        for tag in (tags[1], tags[0], tags[2]):
            self.channel.basic_nack(tag, requeue=True)
        got = [self.channel.basic_get(queue, auto_ack=True) for _ in range(5)]
        self.assertEqual([body for _, _, body in got], [b"0", b"1", b"2", b"3", b"4"])
        self.assertEqual([m.redelivered for m, _, _ in got], [True, True, True, False, False])

    def test_queue_ttl_dead_letters_with_x_death(self):
        dead = self.queue()
        queue = self.queue(arguments={"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        self.channel.basic_publish("", queue, "late", pika.BasicProperties(headers={"keep": "me"}))
        method, properties, body = self.take(dead)
        self.assertEqual(body, b"late")
        death = properties.headers["x-death"][0]
        self.assertEqual((death["reason"], death["queue"], death["count"], death["routing-keys"]),
                         ("expired", queue, 1, [queue]))
        self.assertEqual(properties.headers["keep"], "me")
        self.assertEqual(properties.headers["x-first-death-reason"], "expired")

    def test_message_ttl_removes_the_expiration(self):
        dead = self.queue()
        queue = self.queue(arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        self.channel.basic_publish("", queue, "late", pika.BasicProperties(expiration="30"))
        _, properties, _ = self.take(dead)
        self.assertIsNone(properties.expiration)
        self.assertEqual(properties.headers["x-death"][0]["original-expiration"], "30")

    def test_delivery_limit_of_a_quorum_queue(self):
        dead = self.queue()
        name = f"quorum.{time.monotonic_ns()}"
        self.channel.queue_declare(name, durable=True, arguments={
            "x-queue-type": "quorum", "x-delivery-limit": 2,
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        self.channel.basic_publish("", name, "poison")
        counts = []
        for _ in range(3):
            method, properties, _ = baton.wait_for(
                lambda: (lambda got: got if got[0] else None)(self.channel.basic_get(name)), "it comes again", 10)
            counts.append((properties.headers or {}).get("x-delivery-count", 0))
            self.channel.basic_nack(method.delivery_tag, requeue=True)
        _, properties, _ = self.take(dead)
        self.assertEqual(properties.headers["x-death"][0]["reason"], "delivery_limit")
        self.assertEqual(counts, [0, 1, 2])
        self.channel.queue_delete(name)

    def test_prefetch_limits_what_is_unacknowledged(self):
        queue = self.queue()
        for i in range(10):
            self.channel.basic_publish("", queue, str(i))
        self.channel.basic_qos(prefetch_count=3)
        got = []
        self.channel.basic_consume(queue, lambda ch, m, p, b: got.append(m.delivery_tag))
        end = time.monotonic() + 1
        while time.monotonic() < end and len(got) < 4:
            self.connection.process_data_events(0.1)
        self.assertEqual(len(got), 3)
        self.channel.basic_ack(got[-1], multiple=True)
        baton.wait_for(lambda: self.connection.process_data_events(0.1) or len(got) == 6, "three more come", 10)

    def test_error_texts(self):
        def refused(code, text, action):
            channel = self.connection.channel()
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as error:
                action(channel)
            self.assertEqual((error.exception.reply_code, error.exception.reply_text), (code, text))
        name = f"texts.{time.monotonic_ns()}"
        self.channel.queue_declare(name)
        refused(404, "NOT_FOUND - no queue 'nothing' in vhost '/'", lambda c: c.queue_declare("nothing", passive=True))
        refused(404, "NOT_FOUND - no exchange 'nothing' in vhost '/'", lambda c: c.queue_bind(name, "nothing"))
        refused(406, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{name}' in vhost '/': received 'true' but current is 'false'",
                lambda c: c.queue_declare(name, durable=True))
        refused(403, "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'", lambda c: c.queue_declare("amq.x"))
        refused(403, "ACCESS_REFUSED - operation not permitted on the default exchange", lambda c: c.exchange_delete(""))

        def unknown_tag(channel):
            channel.basic_ack(99)
            channel.queue_declare("", exclusive=True)
        refused(406, "PRECONDITION_FAILED - unknown delivery tag 99", unknown_tag)
        self.channel.queue_delete(name)

    def test_heartbeats_keep_an_idle_connection(self):
        parameters = pika.URLParameters(self.server.env["BATON_AMQP"] + "?heartbeat=1")
        connection = pika.BlockingConnection(parameters)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            connection.process_data_events(0.2)
        self.assertTrue(connection.is_open)
        connection.close()


class AiormqTest(baton.ServerTest):
    def run_async(self, work):
        async def whole():
            connection = await aiormq.connect(self.server.env["BATON_AMQP"])
            try:
                await work(connection)
            finally:
                await connection.close()
        asyncio.run(asyncio.wait_for(whole(), 60))

    def test_confirms_in_bulk(self):
        async def work(connection):
            channel = await connection.channel()
            declared = await channel.queue_declare(exclusive=True)
            await asyncio.gather(*(channel.basic_publish(str(i).encode(), routing_key=declared.queue) for i in range(500)))
            again = await channel.queue_declare(declared.queue, passive=True)
            self.assertEqual(again.message_count, 500)
        self.run_async(work)

    def test_consume_and_reject(self):
        async def work(connection):
            channel = await connection.channel()
            declared = await channel.queue_declare(exclusive=True)
            seen = []
            finished = asyncio.get_running_loop().create_future()

            async def on_message(message):
                seen.append((message.body, message.delivery.redelivered))
                if message.delivery.redelivered:
                    await channel.basic_ack(message.delivery.delivery_tag)
                    finished.set_result(None)
                else:
                    await channel.basic_reject(message.delivery.delivery_tag, requeue=True)
            await channel.basic_consume(declared.queue, on_message)
            await channel.basic_publish(b"once more", routing_key=declared.queue)
            await asyncio.wait_for(finished, 10)
            self.assertEqual(seen, [(b"once more", False), (b"once more", True)])
        self.run_async(work)


class AmqplibTest(baton.ServerTest):
    def run_node(self, name):
        done = subprocess.run(["node", "amqplib_test.mjs", name], cwd=NODE, env=self.server.env, text=True,
                              capture_output=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_publish_consume_ack(self):
        self.run_node("publish_consume_ack")

    def test_confirms(self):
        self.run_node("confirms")

    def test_a_large_body_comes_back_whole(self):
        self.run_node("a_large_body_comes_back_whole")

    def test_mandatory_messages_come_back(self):
        self.run_node("mandatory_messages_come_back")

    def test_an_error_closes_the_channel_only(self):
        self.run_node("an_error_closes_the_channel_only")

    def test_dead_letters_remember_why(self):
        self.run_node("dead_letters_remember_why")

    def test_consumer_cancel_notification(self):
        self.run_node("consumer_cancel_notification")

    def test_five_hundred_channels(self):
        self.run_node("five_hundred_channels")


class LibrabbitmqTest(baton.ServerTest):
    def tool(self, *args, stdin=None, timeout=30):
        done = subprocess.run([*args[:1], "-u", self.server.env["BATON_AMQP"].rstrip("/"), *args[1:]], input=stdin, text=True,
                              capture_output=True, timeout=timeout)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_declare_publish_get_delete(self):
        self.tool("amqp-declare-queue", "-d", "-q", "tools")
        self.tool("amqp-publish", "-r", "tools", "-p", "-b", "from librabbitmq")
        self.assertEqual(self.tool("amqp-get", "-q", "tools"), "from librabbitmq")
        self.tool("amqp-delete-queue", "-q", "tools")

    def test_consume_hands_each_message_to_a_program(self):
        self.tool("amqp-declare-queue", "-d", "-q", "tools2")
        for i in range(3):
            self.tool("amqp-publish", "-r", "tools2", "-b", f"line {i}\n")
        self.assertEqual(self.tool("amqp-consume", "-q", "tools2", "-c", "3", "cat"), "line 0\nline 1\nline 2\n")


if __name__ == "__main__":
    unittest.main()
