"""Names and values that cannot be said, brought to the real executable by every door, and then a crash:
each is refused with words, or can be lived with and read again."""
import base64
import json
import unittest
import urllib.error
import urllib.request

import pika

import baton
import raw

LONG = "k" * 256
HUGE = "x" * 2_000_000


class NamesTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.no_reports)

    def no_reports(self):
        log = self.server.log()
        self.server.close()
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            self.assertNotIn(word, log, log[-8000:])

    def ask(self, method, path, body=None):
        """(status, text)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def declare(self, queue, arguments):
        """By AMQP: the reply code of the refusal, or 200."""
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        try:
            connection.channel().queue_declare(queue, durable=True, arguments=arguments)
            return 200
        except pika.exceptions.ChannelClosedByBroker as error:
            return error.reply_code
        finally:
            if connection.is_open:
                connection.close()

    def refused(self, answer, what):
        self.assertEqual(answer[0], 400, f"{what}: {answer[1][:300]}")
        self.assertIn("reason", answer[1])

    def refuse_all_over_http(self):
        put = lambda path, body: self.ask("PUT", "/api/" + path, body)  # noqa: E731
        for what, answer in {
            "a queue": put(f"queues/%2F/{LONG}", {"durable": True}),
            "a queue's dead letter key": put("queues/%2F/q", {"durable": True, "arguments": {
                "x-dead-letter-exchange": "", "x-dead-letter-routing-key": LONG}}),
            "a queue's argument": put("queues/%2F/q", {"durable": True, "arguments": {LONG: 1}}),
            "an exchange": put(f"exchanges/%2F/{LONG}", {"type": "topic"}),
            "an alternate exchange": put("exchanges/%2F/x", {"type": "topic", "arguments": {"alternate-exchange": LONG}}),
            "a routing key": self.ask("POST", "/api/bindings/%2F/e/amq.topic/q/alive", {"routing_key": LONG}),
            "a huge routing key": self.ask("POST", "/api/bindings/%2F/e/amq.topic/q/alive", {"routing_key": HUGE}),
            "a policy": put(f"policies/%2F/{LONG}", {"pattern": ".*", "definition": {"max-length": 5}}),
            "a policy's pattern": put("policies/%2F/p", {"pattern": HUGE, "definition": {"max-length": 5}}),
            "a policy's value": put("policies/%2F/p", {"pattern": ".*", "definition": {"dead-letter-routing-key": LONG}}),
            "a user": put(f"users/{LONG}", {"password": "p", "tags": ""}),
            "a user's tag": put("users/u", {"password": "p", "tags": LONG}),
            "a user's hash": put("users/u", {"password_hash": HUGE, "tags": ""}),
            "a virtual host": put(f"vhosts/{LONG}", {}),
            "a description": put("vhosts/v", {"description": HUGE}),
            "a vhost's tag": put("vhosts/v", {"tags": LONG}),
            "a permission": put("permissions/%2F/guest", {"configure": HUGE, "write": ".*", "read": ".*"}),
            "a topic permission": put("topic-permissions/%2F/guest", {"exchange": "x", "write": HUGE, "read": ".*"}),
            "tracing": put("vhosts/v", {"tracing": True}),
        }.items():
            with self.subTest(what):
                self.refused(answer, what)

    def refuse_all_in_definitions(self):
        for section, entry in {
            "queues": {"name": LONG, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
            "exchanges": {"name": LONG, "vhost": "/", "type": "topic", "durable": True, "auto_delete": False,
                          "internal": False, "arguments": {}},
            "bindings": {"source": "amq.topic", "vhost": "/", "destination": "alive", "destination_type": "queue",
                         "routing_key": LONG, "arguments": {}},
            "users": {"name": LONG, "password_hash": "", "tags": ""},
            "vhosts": {"name": LONG},
            "policies": {"name": "p", "vhost": "/", "pattern": ".*", "apply-to": "all", "priority": 0,
                         "definition": {"dead-letter-exchange": LONG}},
            "permissions": {"user": "guest", "vhost": "/", "configure": HUGE, "write": ".*", "read": ".*"},
        }.items():
            with self.subTest(section=section):
                self.refused(self.ask("POST", "/api/definitions", {section: [entry]}), section)

    def test_what_cannot_be_said_is_refused_by_every_door_and_a_crash_finds_nothing_of_it(self):
        self.assertEqual(self.declare("alive", {}), 200)
        self.refuse_all_over_http()
        self.refuse_all_in_definitions()
        for arguments in ({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": LONG},
                          {"x-dead-letter-exchange": LONG}, {"x-message-ttl": -1}, {"x-queue-type": LONG}):
            self.assertEqual(self.declare("dies", arguments), 406)
        # The longest there may be, and a message that dies into it.
        longest = LONG[:255]
        self.assertEqual(self.declare(longest, {}), 200)
        self.assertEqual(self.declare("dies", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": longest,
                                               "x-message-ttl": 1}), 200)
        client = raw.Client(self.server.amqp).log_in().open_channel()
        client.send(raw.method(1, 85, 10, b"\x00"))
        client.read_method(85, 11)
        client.send(raw.publish(1, "dies", b"m", b"\x10\x00\x02"))
        client.read_method(60, 80)
        baton.wait_for(lambda: self.ready(longest) == 1, "it died")
        names = self.queues()

        self.server.kill()
        self.server.start()

        self.assertEqual(self.ready(longest), 1)
        self.assertEqual(self.queues(), names)
        self.assertEqual({user["name"] for user in self.server.http_json(self.server.http, "/api/users")} & {"u", LONG}, set())
        client.close()

    def queues(self):
        found = self.server.http_json(self.server.http, "/api/queues")
        return sorted(queue["name"] for queue in found if not queue["name"].startswith("amq.gen-"))

    def ready(self, queue):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        try:
            return connection.channel().queue_declare(queue, passive=True).method.message_count
        finally:
            connection.close()


if __name__ == "__main__":
    unittest.main()
