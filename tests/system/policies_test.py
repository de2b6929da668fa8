"""Policies and limits as an administrator sets them by HTTP and a client feels them by AMQP.

The same tests agree with RabbitMQ: BATON_POLICIES_AGAINST=5672:15672 names the ports of one on
127.0.0.1 (user guest, management plugin, nothing of value in its virtual host "/")."""
import base64
import html
import json
import os
import unittest
import urllib.error
import urllib.request

import pika

import baton

FOREIGN = os.environ.get("BATON_POLICIES_AGAINST")


class PoliciesTest(unittest.TestCase):
    def setUp(self):
        if FOREIGN:
            self.amqp, self.http = map(int, FOREIGN.split(":"))
        else:
            server = baton.Server()
            self.addCleanup(server.close)
            server.start()
            self.amqp, self.http = server.amqp, server.http
        self.cleanups_of_broker = []
        self.addCleanup(self.clean)
        self.connection = self.connect()
        self.channel = self.connection.channel()

    def clean(self):
        """A foreign broker lives on: what a test made goes, policies and limits first."""
        for path in self.cleanups_of_broker:
            self.ask("DELETE", path)
        if not FOREIGN:
            return
        for queue in ("pol-q", "pol-r", "pol-dead", "pol-new"):
            self.ask("DELETE", f"/api/queues/%2F/{queue}")
        for exchange in ("pol-x", "pol-spare"):
            self.ask("DELETE", f"/api/exchanges/%2F/{exchange}")

    def connect(self, user="guest", vhost="/"):
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.amqp, vhost, pika.PlainCredentials(user, "guest")))
        self.addCleanup(lambda: connection.is_open and connection.close())
        return connection

    def ask(self, method, path, body=None):
        """Status and body, JSON where it is."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json",
                     "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, text = reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            status, text = refused.code, refused.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def put(self, path, body):
        self.cleanups_of_broker.append(path)
        return self.ask("PUT", path, body)

    def policy(self, name, pattern, definition, priority=0, apply_to="all", kind="policies"):
        status, answer = self.put(f"/api/{kind}/%2F/{name}", {
            "pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to})
        self.assertIn(status, (201, 204), answer)

    def queue(self, name, **arguments):
        self.channel.queue_declare(name, durable=True,
                                   arguments={k.replace("_", "-"): v for k, v in arguments.items()})

    def ready(self, name):
        return self.channel.queue_declare(name, passive=True).method.message_count

    def await_ready(self, name, count):
        baton.wait_for(lambda: self.ready(name) == count, f"{name} holds {count} messages", 10)

    def shown(self, queue):
        """RabbitMQ's picture of a queue is complete after some seconds."""
        def complete():
            view = self.ask("GET", f"/api/queues/%2F/{queue}")[1]
            return view if "policy" in view else None
        return baton.wait_for(complete, f"the view of {queue} is complete", 15)

    def fill(self, name, count, exchange=""):
        for number in range(count):
            self.channel.basic_publish(exchange, name, b"%d" % number)

    def refusal(self, declare):
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            declare()
        self.channel = self.connection.channel()
        return refused.exception.reply_code, refused.exception.reply_text

    def test_a_length_limit_works_at_once_and_letters_go_where_the_policy_says(self):
        self.queue("pol-dead")
        self.queue("pol-q")
        self.fill("pol-q", 5)
        self.await_ready("pol-q", 5)
        self.policy("pol", "^pol-q$", {"max-length": 2, "dead-letter-exchange": "",
                                       "dead-letter-routing-key": "pol-dead"})
        self.await_ready("pol-q", 2)
        self.await_ready("pol-dead", 3)
        method, properties, body = self.channel.basic_get("pol-dead", auto_ack=True)
        self.assertEqual(body, b"0")
        self.assertEqual(properties.headers["x-death"][0]["reason"], "maxlen")

    def test_arguments_go_first_but_for_larger_numbers(self):
        self.policy("pol", "^pol-", {"max-length": 3, "overflow": "reject-publish"})
        self.queue("pol-q", x_max_length=2, x_overflow="drop-head")
        self.queue("pol-r", x_max_length=9)
        self.fill("pol-q", 5)
        self.fill("pol-r", 5)
        self.await_ready("pol-q", 2)
        self.await_ready("pol-r", 3)
        self.assertEqual(self.channel.basic_get("pol-q", auto_ack=True)[2], b"3")
        self.assertEqual(self.channel.basic_get("pol-r", auto_ack=True)[2], b"0")
        self.assertEqual(self.refusal(lambda: self.queue("pol-r", x_max_length=3)),
                         (406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'pol-r' "
                               "in vhost '/': received '3' but current is '9'"))

    def test_the_highest_priority_that_fits_the_queue_holds(self):
        self.queue("pol-q")
        self.policy("pol-low", "^pol", {"max-length": 4}, 1)
        self.policy("pol-quorum", "^pol", {"delivery-limit": 2, "max-length": 1}, 10)
        self.policy("pol-other", "^else", {"max-length": 1}, 20)
        self.fill("pol-q", 6)
        self.await_ready("pol-q", 4)
        self.policy("pol-high", "q$", {"max-length": 3}, 2)
        self.await_ready("pol-q", 3)
        self.assertEqual(self.shown("pol-q")["policy"], "pol-high")

    def test_an_operator_policy_is_laid_over(self):
        self.queue("pol-q")
        self.policy("pol", "^pol", {"max-length": 9, "overflow": "reject-publish"})
        self.policy("pol", "^pol", {"max-length": 2, "message-ttl": 100000}, 0, "queues",
                    "operator-policies")
        self.fill("pol-q", 5)
        self.await_ready("pol-q", 2)
        self.assertEqual(self.channel.basic_get("pol-q", auto_ack=True)[2], b"0")
        queue = self.shown("pol-q")
        self.assertEqual((queue["policy"], queue["operator_policy"]), ("pol", "pol"))
        self.assertEqual(queue["effective_policy_definition"],
                         {"max-length": 2, "message-ttl": 100000, "overflow": "reject-publish"})

    def test_time_to_live_is_for_messages_to_come_and_expiry_for_the_queue(self):
        self.queue("pol-q")
        self.fill("pol-q", 1)
        self.queue("pol-r")
        self.policy("pol", "^pol-", {"message-ttl": 50})
        self.fill("pol-q", 3)
        self.fill("pol-r", 1)
        self.await_ready("pol-r", 0)  # so its time is over
        self.assertEqual(self.channel.basic_get("pol-q", auto_ack=True)[2], b"0")
        self.await_ready("pol-q", 0)
        self.policy("pol", "^pol-q$", {"expires": 100})
        baton.wait_for(lambda: self.ask("GET", "/api/queues/%2F/pol-q")[0] == 404, "the queue expires", 10)

    def test_an_alternate_exchange_counts_while_the_policy_is_there(self):
        self.channel.exchange_declare("pol-x", "direct", durable=True)
        self.channel.exchange_declare("pol-spare", "fanout", durable=True)
        self.queue("pol-q")
        self.channel.queue_bind("pol-q", "pol-spare")
        self.fill("key", 1, "pol-x")
        self.policy("pol", "^(pol-x|amq.direct)$", {"alternate-exchange": "pol-spare"}, 0, "exchanges")
        self.fill("key", 2, "pol-x")
        self.fill("key", 1, "amq.direct")
        self.await_ready("pol-q", 3)
        self.ask("DELETE", "/api/policies/%2F/pol")
        self.fill("key", 1, "pol-x")
        self.fill("pol-q", 1)
        self.await_ready("pol-q", 4)

    def test_mistakes_are_named(self):
        def refused(definition, kind="policies", **more):
            status, answer = self.put(f"/api/{kind}/%2F/pol", dict(
                {"pattern": "^pol", "definition": definition, "priority": 0, "apply-to": "all"}, **more))
            self.assertEqual(status, 400, answer)
            return html.unescape(answer["reason"])
        self.assertEqual(refused({"max-length": -1}), "Validation failed\n\n-1 is not a valid maximum length\n")
        self.assertEqual(refused({"overflow": "burst"}),
                         "Validation failed\n\n<<\"burst\">> is not a valid overflow value\n")
        self.assertEqual(refused({"max-lenght": 3}),
                         "Validation failed\n\n[{<<\"max-lenght\">>,3}] are not recognised policy settings\n")
        self.assertEqual(refused({"overflow": "drop-head"}, "operator-policies", **{"apply-to": "queues"}),
                         "Validation failed\n\n[{<<\"overflow\">>,<<\"drop-head\">>}] are not recognised policy settings\n")
        self.assertIn("should be regular expression but is invalid", refused({"max-length": 1}, pattern="("))

    def test_limits_of_a_vhost_are_kept(self):
        self.queue("pol-q")
        queues = len(self.ask("GET", "/api/queues/%2F")[1])
        connections = 1 if FOREIGN else self.connections()
        limits = "/api/vhost-limits/%2F/"
        self.assertEqual(self.put(limits + "max-queues", {"value": queues})[0], 204)
        self.assertEqual(self.refusal(lambda: self.queue("pol-new")),
                         (406, "PRECONDITION_FAILED - cannot declare queue 'pol-new': queue limit in vhost '/' "
                               f"({queues}) is reached"))
        self.queue("pol-q")
        self.assertEqual(self.put(limits + "max-connections", {"value": connections})[0], 204)
        self.assertIn("access to vhost '/' refused for user 'guest': connection limit "
                      f"({connections}) is reached", self.refused_connection("guest"))
        self.ask("DELETE", limits + "max-connections")
        self.connect().close()

    def connections(self):
        """The orchestrator has some of its own, and they are there when the server says it is well."""
        return len(self.ask("GET", "/api/connections")[1])

    def refused_connection(self, user):
        with self.assertRaises(pika.exceptions.AMQPConnectionError) as refused:
            self.connect(user)
        return str(refused.exception)

    def test_limits_of_a_user_are_kept(self):
        self.put("/api/users/pol-bob", {"password": "guest", "tags": ""})
        self.put("/api/permissions/%2F/pol-bob", {"configure": ".*", "write": ".*", "read": ".*"})
        limits = "/api/user-limits/pol-bob/"
        self.assertEqual(self.put(limits + "max-connections", {"value": 1})[0], 204)
        self.assertEqual(self.put(limits + "max-channels", {"value": 2})[0], 204)
        bob = self.connect("pol-bob")
        self.assertIn("connection refused for user 'pol-bob': user connection limit (1) is reached",
                      self.refused_connection("pol-bob"))
        bob.channel()
        bob.channel()
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as refused:
            bob.channel()
        self.assertEqual((refused.exception.reply_code, refused.exception.reply_text),
                         (530, "NOT_ALLOWED - number of channels opened for user 'pol-bob' has reached the "
                               "maximum allowed user limit of (2)"))


if __name__ == "__main__":
    unittest.main()
