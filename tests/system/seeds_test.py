"""The examples of the notes Baton's first users learnt from, unchanged, against `baton serve`.

They name localhost:5672, so this test runs in a network namespace of its own where that port is free
(it starts itself again under `unshare --net`); where that is not allowed it uses the port itself.
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest
import uuid

import baton

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"
IN_NAMESPACE = "BATON_TEST_NAMESPACE"


def enter_namespace():
    if os.environ.get(IN_NAMESPACE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    if probe.returncode == 0:
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *sys.orig_argv[1:]])


enter_namespace()

import pika  # noqa: E402


class Example:
    """A running example whose output can be waited for."""

    def __init__(self, name):
        self.process = subprocess.Popen([sys.executable, "-u", str(SEEDS / name)], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        # Lines are appended as they come, not at the end.
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def await_line(self, text, count=1):
        def enough():
            found = [line for line in self.lines if text in line]
            if len(found) < count and self.process.poll() is not None and not self.reader.is_alive():
                raise AssertionError(f"{text!r} not printed; output: {self.lines}")
            return len(found) >= count
        baton.wait_for(enough, f"the example prints {text!r} {count} times; so far {self.lines}", 20)

    def end(self):
        self.process.terminate()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()


class SeedsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = baton.Server()
        cls.server.amqp = 5672
        cls.server.env["BATON_BROKER_LISTEN"] = "127.0.0.1:5672"
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.examples = []

    def tearDown(self):
        for example in self.examples:
            example.end()

    def start(self, name):
        self.examples.append(Example(name))
        return self.examples[-1]

    def connect(self, user=None, password=None):
        parameters = pika.ConnectionParameters("localhost")
        if user:
            parameters = pika.ConnectionParameters("localhost", port=5672,
                                                   credentials=pika.PlainCredentials(user, password))
        connection = pika.BlockingConnection(parameters)
        self.addCleanup(self.hang_up, connection)
        return connection

    @staticmethod
    def hang_up(connection):
        try:
            connection.close()
        except pika.exceptions.AMQPError:
            pass  # closed already, or its server was killed

    def test_simple_producer_and_consumer(self):
        consumer = self.start("simple_consumer.py")
        consumer.await_line("Ожидание сообщений")
        producer = self.start("simple_producer.py")
        producer.await_line("Сообщение отправлено!", 2)
        consumer.await_line("Получено сообщение: Hello RabbitMQ 0")
        consumer.await_line("Получено сообщение: Hello RabbitMQ 1")

    def test_producer_and_consumer_with_acknowledgement(self):
        producer = self.start("producer.py")
        producer.await_line("Message sent!")
        consumer = self.start("consumer.py")
        consumer.await_line("Wait")
        consumer.await_line("Получено - Hello RabbitMQ")
        consumer.end()
        # Acknowledged means gone: the next one gets nothing.
        channel = self.connect().channel()
        self.assertEqual(channel.queue_declare("messages", passive=True).method.message_count, 0)

    def test_send_and_receive(self):
        receiver = self.start("receive.py")
        receiver.await_line("Waiting for messages")
        sender = self.start("send.py")
        sender.await_line("[x] Sent 'Hello World!'")
        receiver.await_line("[x] Received 'Hello World!'")

    def test_aiormq_consumer_with_its_own_user(self):
        consumer = self.start("aiormq_consumer.py")
        channel = self.connect().channel()

        def bound():
            probe = self.connect().channel()
            try:
                return probe.queue_declare("test_queue", passive=True).method.consumer_count == 1
            except pika.exceptions.ChannelClosedByBroker:
                return False
        baton.wait_for(bound, "the aiormq consumer consumes", 20)
        for i in range(3):
            channel.basic_publish("test_exchange", "test_routing_key", f"news {i}")
        for i in range(3):
            consumer.await_line(f"news {i}")

    def test_another_user_of_the_notes_logs_in(self):
        channel = self.connect("yet", "asdfasdf").channel()
        self.assertTrue(channel.queue_declare("", exclusive=True).method.queue.startswith("amq.gen-"))

    def test_a_wrong_password_is_refused(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect("yet", "wrong")

    def consume(self, channel, queue, count):
        got = []
        for method, properties, body in channel.consume(queue, inactivity_timeout=10):
            self.assertIsNotNone(method, f"only {got} came")
            got.append(body.decode())
            channel.basic_ack(method.delivery_tag)
            if len(got) == count:
                break
        channel.cancel()
        return got

    def test_fanout_copies_to_all_queues(self):
        channel = self.connect().channel()
        channel.exchange_declare("logs", "fanout", False, False, False)
        queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
        for queue in queues:
            channel.queue_bind(queue, "logs")
        channel.basic_publish("logs", "", "to all")
        for queue in queues:
            self.assertEqual(self.consume(channel, queue, 1), ["to all"])

    def test_direct_with_several_bindings(self):
        channel = self.connect().channel()
        channel.exchange_declare("direct_logs", "direct")
        queue = channel.queue_declare("", exclusive=True).method.queue
        for severity in ("warning", "error"):
            channel.queue_bind(exchange="direct_logs", queue=queue, routing_key=severity)
        for severity in ("info", "warning", "error"):
            channel.basic_publish("direct_logs", severity, severity)
        self.assertEqual(self.consume(channel, queue, 2), ["warning", "error"])

    def test_topic_masks(self):
        channel = self.connect().channel()
        channel.exchange_declare("news", "topic")
        cases = {"eu.*.free_user": ["eu.sport.free_user"],
                 "ru.#": ["ru", "ru.culture.paid_user"],
                 "*.culture.*": ["ru.culture.paid_user"],
                 "#": ["eu.sport.free_user", "ru", "ru.culture.paid_user", "us.tech.staff"]}
        queues = {}
        for mask in cases:
            queues[mask] = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queues[mask], "news", mask)
        for key in ("eu.sport.free_user", "ru", "ru.culture.paid_user", "us.tech.staff"):
            channel.basic_publish("news", key, key)
        for mask, expected in cases.items():
            self.assertEqual(self.consume(channel, queues[mask], len(expected)), expected, mask)
            self.assertIsNone(channel.basic_get(queues[mask])[0], mask)

    def test_headers_exchange(self):
        channel = self.connect().channel()
        channel.exchange_declare("by_headers", "headers")
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "by_headers", "", {"x-match": "all", "type": "report", "pages": 3})
        for headers in ({"type": "report"}, {"type": "report", "pages": 3}, {"type": "x", "pages": 3}):
            channel.basic_publish("by_headers", "", json.dumps(headers), pika.BasicProperties(headers=headers))
        self.assertEqual(self.consume(channel, queue, 1), [json.dumps({"type": "report", "pages": 3})])
        self.assertIsNone(channel.basic_get(queue)[0])

    def test_an_exclusive_queue_belongs_to_its_connection(self):
        owner = self.connect()
        queue = owner.channel().queue_declare("only_mine", exclusive=True).method.queue
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            self.connect().channel().queue_declare(queue, passive=True)
        self.assertEqual(refused.exception.reply_code, 405)
        owner.close()
        self.connect().channel().queue_declare(queue, exclusive=True)

    def test_rpc_with_a_reply_queue(self):
        def serve():
            connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
            channel = connection.channel()
            channel.queue_declare("rpc_queue")
            channel.basic_qos(prefetch_count=1)

            def answer(ch, method, props, body):
                ch.basic_publish("", props.reply_to, str(int(body) * 2),
                                 pika.BasicProperties(correlation_id=props.correlation_id))
                ch.basic_ack(method.delivery_tag)
                channel.stop_consuming()
            channel.basic_consume("rpc_queue", answer)
            channel.start_consuming()
            connection.close()
        self.connect().channel().queue_declare("rpc_queue")
        server = threading.Thread(target=serve)
        server.start()

        channel = self.connect().channel()
        callback_queue = channel.queue_declare("", exclusive=True).method.queue
        asked = str(uuid.uuid4())
        channel.basic_publish("", "rpc_queue", "21",
                              pika.BasicProperties(reply_to=callback_queue, correlation_id=asked))
        for method, properties, body in channel.consume(callback_queue, auto_ack=True, inactivity_timeout=10):
            self.assertIsNotNone(method, "no reply")
            self.assertEqual((properties.correlation_id, body), (asked, b"42"))
            break
        channel.cancel()
        server.join(10)

    def test_round_robin_and_fair_dispatch(self):
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare("tasks")
        # All before the first consumer: while the queue is empty, who acknowledged last may be next again.
        for i in range(6):
            channel.basic_publish("", "tasks", str(i))
        got = {"a": [], "b": []}
        for name in got:
            worker = connection.channel()
            worker.basic_qos(prefetch_count=1)
            worker.basic_consume("tasks", lambda ch, m, p, body, n=name: (got[n].append(body), ch.basic_ack(m.delivery_tag)))
        end = time.monotonic() + 10
        while sum(map(len, got.values())) < 6 and time.monotonic() < end:
            connection.process_data_events(0.1)
        self.assertEqual(sorted(map(len, got.values())), [3, 3])

    def test_durable_messages_survive_a_crash_and_others_do_not(self):
        channel = self.connect().channel()
        channel.confirm_delivery()
        channel.queue_declare("durable", durable=True)
        channel.queue_declare("passing")
        channel.basic_publish("", "durable", "stays", pika.BasicProperties(delivery_mode=2))
        channel.basic_publish("", "durable", "goes")
        channel.basic_publish("", "passing", "goes", pika.BasicProperties(delivery_mode=2))
        self.server.kill()
        self.server.start()
        channel = self.connect().channel()
        self.assertEqual(channel.queue_declare("durable", passive=True).method.message_count, 1)
        self.assertEqual(channel.basic_get("durable", auto_ack=True)[2], b"stays")
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as gone:
            channel.queue_declare("passing", passive=True)
        self.assertEqual(gone.exception.reply_code, 404)


if __name__ == "__main__":
    unittest.main()
