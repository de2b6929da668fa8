"""`baton ctl` and the administration over HTTP, on the real server: every word, users over kill -9,
definitions made by a real RabbitMQ 3.10.

With BATON_TEST_RABBITMQ=1 a private RabbitMQ is started too: its rabbitmqctl has to print the same
for the same broker, and it has to take what Baton exported.
"""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import pika

import baton

HERE = baton.pathlib.Path(__file__).resolve().parent
DEFINITIONS = HERE / "definitions"
# Of the users in the definitions RabbitMQ made: SHA-256, SHA-512, MD5, SHA-256.
OLD_PASSWORDS = {"ada": "ada-password", "grace": "grace-password", "mary": "mary-password",
                 "robot": "robot pässword ☃"}
# guest is not in the configuration, so that it may be deleted for good.
FRESH = {"BATON_BROKER_USERS": ""}


def amqp(port, user="guest", password="guest", vhost="/", name=None):
    properties = {"connection_name": name} if name else None
    return pika.BlockingConnection(pika.ConnectionParameters(
        "127.0.0.1", port, vhost, pika.PlainCredentials(user, password), client_properties=properties))


def may_log_in(port, user, password, vhost="/"):
    try:
        amqp(port, user, password, vhost).close()
        return True
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError,
            pika.exceptions.ConnectionClosedByBroker):
        return False


def await_end(connection):
    """The exception that tells how the broker ended the connection."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            connection.process_data_events(1)
        except pika.exceptions.AMQPConnectionError as error:
            return error
    raise AssertionError("the connection lives on")


def http(port, method, path, body=None, user="guest:guest", headers=()):
    """Status and JSON of a request to the API."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", data=data, method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    request.add_header("Content-Type", "application/json")
    for key, value in dict(headers).items():
        request.add_header(key, value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else None


def make_topology(port):
    """Something to list. The connection keeps its consumers; close it at the end."""
    connection = amqp(port, name="shopper")
    channel = connection.channel()
    channel.queue_declare("orders", durable=True, arguments={"x-max-length": 50, "x-dead-letter-exchange": "dlx"})
    channel.queue_declare("mine", exclusive=True)
    channel.exchange_declare("shop", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
    channel.exchange_declare("inner", "fanout", internal=True, auto_delete=True)
    channel.queue_bind("orders", "shop", "a.#")
    channel.exchange_bind("inner", "shop", "c")
    channel.queue_bind("orders", "amq.headers", "", arguments={"k": "v", "n": 7, "x-match": "all"})
    channel.confirm_delivery()
    for i in range(5):
        channel.basic_publish("shop", "a.b", b"hello%d" % i, pika.BasicProperties(delivery_mode=2))
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("orders", lambda *_: None, consumer_tag="tag1", arguments={"x-priority": 3})
    return connection, channel


class CtlTest(unittest.TestCase):
    """One server for each test, so that each knows what there is."""
    env = FRESH

    def setUp(self):
        self.server = baton.Server(env=self.env).start()
        self.addCleanup(self.server.close)

    def ctl(self, *args, code=0, stdin=None):
        done = self.server.baton("ctl", *args, stdin=stdin if stdin is not None else "")
        self.assertEqual(done.returncode, code, f"baton ctl {args}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("runtime error", done.stderr)
        return done.stdout if code == 0 else done.stderr

    def table(self, *args):
        """The cells of a list, heading first."""
        return [line.split("\t") for line in self.ctl("-q", *args).splitlines()]


class UsersTest(CtlTest):
    def test_users_come_and_go(self):
        self.assertIn('Adding user "ada" ...\nDone.', self.ctl("add_user", "ada", "secret"))
        self.ctl("add_user", "bob", stdin="from a line\n")
        self.assertIn('User "ada" already exists', self.ctl("add_user", "ada", "x", code=70))
        self.ctl("add_user", "eve", code=65, stdin="")

        self.ctl("set_user_tags", "ada", "monitoring", "policymaker")
        self.assertIn('User "nobody" does not exist', self.ctl("set_user_tags", "nobody", "x", code=67))
        self.assertEqual(self.table("list_users"), [["user", "tags"], ["ada", "[monitoring, policymaker]"],
                                                    ["bob", "[]"], ["guest", "[administrator]"]])

        self.assertIn("Success", self.ctl("authenticate_user", "ada", "secret"))
        self.assertIn("Success", self.ctl("authenticate_user", "bob", "from a line"))
        self.ctl("authenticate_user", "ada", "wrong", code=65)
        self.ctl("change_password", "ada", "new")
        self.ctl("authenticate_user", "ada", "secret", code=65)
        self.ctl("authenticate_user", "ada", stdin="new\n")
        self.ctl("clear_password", "ada")
        self.ctl("authenticate_user", "ada", "new", code=65)
        self.assertEqual(self.table("list_users")[1], ["ada", "[monitoring, policymaker]"])

        self.ctl("delete_user", "bob")
        self.ctl("delete_user", "bob", code=67)
        self.ctl("change_password", "bob", "x", code=67)

    def test_what_gives_nothing_is_refused_by_name(self):
        self.ctl("add_user", "ada", "x")
        self.ctl("set_user_tags", "ada", "team-a", "baton-operator")
        refused = self.ctl("set_user_tags", "ada", "baton-opertor", code=65)
        self.assertIn("there is no tag 'baton-opertor'; did you mean 'baton-operator'?", refused)
        definitions = self.server.home / "definitions.json"
        definitions.write_text('{"users": [{"name": "bob", "password": "x", "tags": ["baton-admn"]}]}')
        self.assertIn("users[0] 'bob': there is no tag 'baton-admn'; did you mean 'baton-admin'?",
                      self.ctl("import_definitions", str(definitions), code=65))
        definitions.write_text('{"permissions": [{"user": "ada", "vhost": "nowhere", "configure": "", "write": "", "read": ""}]}')
        self.assertIn("no vhost 'nowhere'", self.ctl("import_definitions", str(definitions), code=65))
        for word in ("set_permissions", "set_topic_permissions"):
            args = ("ada", "amq.topic", "a", "b") if "topic" in word else ("ada", "a", "b", "c")
            self.assertIn("nowhere", self.ctl(word, "-p", "nowhere", *args, code=65))
        self.assertEqual([row for row in self.table("list_users") if row[0] in ("ada", "bob")], [["ada", "[team-a, baton-operator]"]])

    def test_permissions_are_set_listed_and_cleared(self):
        self.ctl("add_vhost", "shop", "--description", "orders")
        self.ctl("add_user", "ada", "secret")
        self.assertEqual(self.ctl("-q", "list_permissions", "-p", "shop"), "")
        self.assertFalse(may_log_in(self.server.amqp, "ada", "secret", "shop"))

        self.ctl("set_permissions", "-p", "shop", "ada", "^a", ".*", "")
        self.ctl("set_topic_permissions", "-p", "shop", "ada", "amq.topic", "^w", "^r")

        self.assertTrue(may_log_in(self.server.amqp, "ada", "secret", "shop"))
        self.assertEqual(self.table("list_permissions", "-p", "shop"),
                         [["user", "configure", "write", "read"], ["ada", "^a", ".*", ""]])
        self.assertEqual(self.table("list_user_permissions", "ada"),
                         [["vhost", "configure", "write", "read"], ["shop", "^a", ".*", ""]])
        self.assertEqual(self.table("list_topic_permissions", "-p", "shop"),
                         [["user", "exchange", "write", "read"], ["ada", "amq.topic", "^w", "^r"]])
        self.assertEqual(self.table("list_user_topic_permissions", "ada")[1], ["shop", "amq.topic", "^w", "^r"])
        self.ctl("set_permissions", "-p", "nowhere", "ada", ".*", ".*", ".*", code=65)
        self.ctl("set_permissions", "-p", "shop", "nobody", ".*", ".*", ".*", code=67)
        self.ctl("set_permissions", "-p", "shop", "ada", "(", ".*", ".*", code=65)
        self.ctl("set_permissions", "-p", "shop", "ada", "^a", code=64)
        self.ctl("list_permissions", "-p", "nowhere", code=65)

        self.ctl("clear_topic_permissions", "-p", "shop", "ada", "amq.topic")
        self.ctl("clear_permissions", "-p", "shop", "ada")
        self.assertEqual(self.ctl("-q", "list_permissions", "-p", "shop"), "")
        self.assertEqual(self.ctl("-q", "list_topic_permissions", "-p", "shop"), "")
        self.assertFalse(may_log_in(self.server.amqp, "ada", "secret", "shop"))

    def test_virtual_hosts_come_and_go(self):
        self.ctl("add_vhost", "shop", "--description", "orders", "--tags", "eu,live")
        self.ctl("add_vhost", "shop")
        self.assertEqual(self.table("list_vhosts"), [["name"], ["/"], ["shop"]])
        self.assertEqual(self.table("list_vhosts", "name", "description", "tags", "tracing")[2],
                         ["shop", "orders", "[eu, live]", "false"])
        self.ctl("set_vhost_tags", "shop", "one")
        self.assertEqual(self.table("list_vhosts", "name", "description", "tags")[2], ["shop", "orders", "[one]"])
        self.ctl("list_vhosts", "name", "bogus", code=64)
        self.ctl("delete_vhost", "shop")
        self.assertIn("does not exist", self.ctl("delete_vhost", "shop", code=65))

    def test_what_was_changed_survives_kill_minus_nine_and_no_password_is_kept(self):
        self.ctl("add_user", "ada", "a-secret-nobody-may-read")
        self.ctl("set_user_tags", "ada", "administrator")
        self.ctl("set_permissions", "ada", ".*", ".*", ".*")
        self.ctl("add_user", "bob", "first")
        self.ctl("change_password", "bob", "second")
        self.ctl("set_policy", "p", "^x", '{"max-length": 3}')
        self.server.env.update({"BATON_USER": "ada", "BATON_PASSWORD": "a-secret-nobody-may-read"})
        self.ctl("delete_user", "guest")
        before = self.ctl("export_definitions", "-")

        self.server.kill()
        journal = b"".join(path.read_bytes() for path in (self.server.home / "data" / "journal").iterdir())
        self.server.start()

        self.assertEqual(self.ctl("export_definitions", "-"), before)
        self.assertTrue(may_log_in(self.server.amqp, "ada", "a-secret-nobody-may-read"))
        self.assertFalse(may_log_in(self.server.amqp, "guest", "guest"))
        self.ctl("authenticate_user", "bob", "second")
        self.ctl("authenticate_user", "bob", "first", code=65)
        self.assertIn(b"ada", journal)
        self.assertNotIn(b"a-secret-nobody-may-read", journal)
        hashes = [user["password_hash"] for user in json.loads(before)["users"]]
        self.assertEqual([len(base64.b64decode(text)) for text in hashes], [36, 36])


class ListsTest(CtlTest):
    def test_lists_have_rabbitmqctls_columns(self):
        connection, channel = make_topology(self.server.amqp)
        self.addCleanup(connection.close)

        self.assertTrue(self.ctl("list_queues").startswith(
            "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\nname\tmessages\n"))
        queues = self.table("list_queues", "name", "messages_ready", "messages_unacknowledged", "messages",
                            "consumers", "durable", "exclusive", "arguments", "memory")
        self.assertIn(["orders", "3", "2", "5", "1", "true", "false",
                       '[{"x-max-length",50},{"x-dead-letter-exchange","dlx"}]', ""], queues)
        self.assertIn(["mine", "0", "0", "0", "0", "false", "true", "[]", ""], queues)
        self.assertIn(["shop", "topic", "true", '[{"alternate-exchange","amq.fanout"}]'],
                      self.table("list_exchanges", "name", "type", "durable", "arguments"))
        bindings = self.table("list_bindings")
        self.assertEqual(bindings[0], ["source_name", "source_kind", "destination_name", "destination_kind",
                                       "routing_key", "arguments"])
        self.assertIn(["", "exchange", "orders", "queue", "orders", "[]"], bindings)
        self.assertIn(["shop", "exchange", "inner", "exchange", "c", "[]"], bindings)
        self.assertIn(["guest", "127.0.0.1", "running"], [[row[0], row[1], row[3]] for row in self.table("list_connections")])
        properties = [row[1] for row in self.table("list_connections", "user", "client_properties")]
        self.assertTrue(any('{"connection_name","shopper"}' in text for text in properties), properties)
        self.assertIn(["1", "guest", "/", "true", "1", "2", "2"],
                      self.table("list_channels", "number", "user", "vhost", "confirm", "consumer_count",
                                 "messages_unacknowledged", "prefetch_count"))
        consumers = self.table("list_consumers")
        self.assertEqual(consumers[0], ["queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count",
                                        "active", "arguments"])
        self.assertIn(["orders", "tag1", "true", "2", "true", '[{"x-priority",3}]'],
                      [[row[0], *row[2:]] for row in consumers])

    def test_formats_and_headings_can_be_chosen(self):
        self.ctl("add_vhost", "empty")
        connection, _ = make_topology(self.server.amqp)
        self.addCleanup(connection.close)

        rows = json.loads(self.ctl("list_queues", "--formatter", "json", "name", "messages"))
        self.assertIn({"name": "orders", "messages": 5}, rows)
        self.assertIn('"orders","5","[{""x-max-length"",50},{""x-dead-letter-exchange"",""dlx""}]"\n',
                      self.ctl("list_queues", "--formatter=csv", "name", "messages", "arguments"))
        self.assertIn("orders\t5\n", self.ctl("list_queues", "-s", "name", "messages"))
        self.assertNotIn("name\t", self.ctl("-q", "list_queues", "--no-table-headers", "name", "messages"))
        self.assertEqual(self.ctl("-q", "list_queues", "-p", "empty"), "")
        self.assertEqual(json.loads(self.ctl("list_queues", "-p", "empty", "--formatter", "json")), [])
        complaint = self.ctl("list_queues", "name", "bogus", "other", code=64)
        self.assertIn("Error (argument validation): Info key(s) bogus, other are not supported; known are name, messages, "
                      "messages_ready,", complaint)
        self.ctl("list_queues", "--formatter", "yaml", code=64)
        self.ctl("list_queues", "--bogus", code=64)
        self.ctl("list_users", "-p", "shop", code=64)
        for word in ("list_queues", "list_bindings", "list_policies", "list_parameters", "list_vhost_limits"):
            self.assertEqual("Error:\nVirtual host 'nowhere' does not exist\n", self.ctl(word, "-p", "nowhere", code=65))
        self.assertIn("Timeout: 7.0 seconds ...", self.ctl("list_queues", "-t", "7"))
        self.assertIn("Timeout: 60.0 seconds ...", self.ctl("list_queues", "-t", "infinity"))
        for limit in ("x", "-5", "", "5m"):
            self.assertIn(f"--timeout must be a number of seconds, or infinity, not '{limit}'",
                          self.ctl("list_queues", "-t", limit, code=64))

    def test_queues_are_purged_and_deleted_and_connections_closed(self):
        connection, _ = make_topology(self.server.amqp)
        self.ctl("delete_queue", "orders", "--if-unused", code=65)
        self.ctl("delete_queue", "orders", "-e", code=65)
        self.ctl("purge_queue", "nosuch", code=65)
        self.ctl("delete_queue", "nosuch", code=65)

        pid = next(row[0] for row in self.table("list_connections", "pid", "client_properties") if "shopper" in row[1])
        self.ctl("close_connection", pid, "time to go")
        closed = await_end(connection)
        self.assertEqual((closed.reply_code, closed.reply_text), (320, "CONNECTION_FORCED - time to go"))
        self.ctl("close_connection", pid, "again", code=65)

        self.ctl("purge_queue", "orders")
        self.assertIn(["orders", "0"], self.table("list_queues"))
        self.assertIn("Queue was successfully deleted with 0 ready messages", self.ctl("delete_queue", "orders"))
        self.assertNotIn("orders", [row[0] for row in self.table("list_queues")])

    def test_all_connections_of_a_vhost_or_user_are_closed(self):
        self.ctl("add_vhost", "shop")
        self.ctl("add_user", "ada", "secret")
        for user in ("ada", "guest"):
            self.ctl("set_permissions", "-p", "shop", user, ".*", ".*", ".*")
        self.ctl("set_permissions", "ada", ".*", ".*", ".*")
        connections = [amqp(self.server.amqp, "ada", "secret", "shop"), amqp(self.server.amqp, vhost="shop"),
                       amqp(self.server.amqp, "ada", "secret")]
        self.assertIn("Closed 1 connections", self.ctl("close_all_connections", "-p", "shop", "--limit", "1", "bye"))
        self.assertIn("Closed 1 connections", self.ctl("close_all_connections", "-p", "shop", "bye"))
        self.ctl("close_all_user_connections", "ada", "bye")
        for connection in connections:
            await_end(connection)
        self.ctl("close_all_connections", "--global", "bye")


class PoliciesTest(CtlTest):
    def test_policies_are_set_listed_and_cleared(self):
        self.ctl("add_vhost", "shop")
        for word, listing, clearing in (("set_policy", "list_policies", "clear_policy"),
                                        ("set_operator_policy", "list_operator_policies", "clear_operator_policy")):
            with self.subTest(word):
                self.ctl(word, "-p", "shop", "cap", "^q", '{"max-length":5}', "--priority", "3", "--apply-to", "queues")
                self.assertEqual(self.table(listing, "-p", "shop"),
                                 [["vhost", "name", "pattern", "apply-to", "definition", "priority"],
                                  ["shop", "cap", "^q", "queues", '{"max-length":5}', "3"]])
                self.ctl(word, "-p", "shop", "bad", "^q", '{"max-length":"x"}', code=65)
                self.ctl(word, "-p", "shop", "bad", "^q", "{bogus}", code=65)
                self.ctl(word, "-p", "shop", "bad", "^q(", '{"max-length":1}', code=65)
                self.ctl(word, "-p", "shop", "bad", "^q", '{"unknown-key":1}', code=65)
                self.ctl(word, "-p", "nowhere", "bad", "^q", '{"max-length":1}', code=65)
                self.ctl(word, "-p", "shop", "bad", "^q", '{"max-length":1}', "--priority", "high", code=64)
                self.ctl(clearing, "-p", "shop", "cap")
                self.ctl(clearing, "-p", "shop", "cap", code=65)
                self.assertEqual(self.ctl("-q", listing, "-p", "shop"), "")

    def test_a_policy_holds_for_its_queues_and_is_shown_with_them(self):
        self.ctl("set_policy", "short", "^short", '{"max-length":2}', "--apply-to", "queues")
        connection = amqp(self.server.amqp)
        self.addCleanup(connection.close)
        channel = connection.channel()
        channel.queue_declare("short.q")
        channel.confirm_delivery()
        for _ in range(5):
            channel.basic_publish("", "short.q", b"x")

        self.assertIn(["short.q", "2", "short"], self.table("list_queues", "name", "messages", "policy"))

    def test_limits_are_set_listed_and_cleared(self):
        self.ctl("add_vhost", "shop")
        self.ctl("add_user", "ada", "secret")
        self.ctl("set_permissions", "-p", "shop", "ada", ".*", ".*", ".*")
        self.ctl("set_vhost_limits", "-p", "shop", '{"max-connections": 0, "max-queues": 10}')
        self.assertFalse(may_log_in(self.server.amqp, "ada", "secret", "shop"))
        self.assertEqual(json.loads(self.ctl("-q", "list_vhost_limits", "-p", "shop")),
                         {"max-connections": 0, "max-queues": 10})
        self.assertEqual(self.table("list_vhost_limits", "--global"),
                         [["vhost", "limits"], ["shop", '{"max-connections":0,"max-queues":10}']])
        self.ctl("set_vhost_limits", "-p", "shop", '{"max-bogus": 1}', code=65)
        self.ctl("set_vhost_limits", "-p", "shop", '{"max-queues": "x"}', code=65)
        self.ctl("clear_vhost_limits", "-p", "shop")
        self.assertTrue(may_log_in(self.server.amqp, "ada", "secret", "shop"))

        self.ctl("set_user_limits", "ada", '{"max-connections": 0}')
        self.assertFalse(may_log_in(self.server.amqp, "ada", "secret", "shop"))
        self.assertEqual(json.loads(self.ctl("-q", "list_user_limits", "--user", "ada")), {"max-connections": 0})
        self.assertEqual(self.table("list_user_limits", "--global")[1], ["ada", '{"max-connections":0}'])
        self.ctl("set_user_limits", "nobody", '{"max-connections": 0}', code=67)
        self.ctl("clear_user_limits", "ada", "max-connections")
        self.ctl("clear_user_limits", "ada", "all")
        self.assertTrue(may_log_in(self.server.amqp, "ada", "secret", "shop"))

    def test_names_move_no_terminal_and_begin_no_line(self):
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.server.amqp))
        self.addCleanup(connection.close)
        name = "a\x1b[2Jb\nc\td\u009b\u202ee"
        connection.channel().queue_declare(name)
        for options in ((), ("--formatter", "csv")):
            printed = self.ctl("-q", "list_queues", "name", *options)
            self.assertIn(r"a\x1b[2Jb\nc\td\x9b\u202ee", printed)
            self.assertEqual([c for c in printed if c != "\n" and not c.isprintable()], [])
        as_json = self.ctl("-q", "list_queues", "name", "--formatter", "json")
        self.assertIn(name, [queue["name"] for queue in json.loads(as_json)])
        self.assertEqual([c for c in as_json if c != "\n" and not c.isprintable()], [])
        refused = self.server.baton("ctl", "list_queues", "-p", "no\x1b[31msuch").stderr
        self.assertNotIn("\x1b", refused)

    def test_parameters_are_set_listed_and_cleared(self):
        self.ctl("set_parameter", "shovel", "settings", '{"a":[1,"two"]}')
        self.ctl("set_global_parameter", "whole", '"text"')
        self.assertEqual(self.table("list_parameters"),
                         [["component", "name", "value"], ["shovel", "settings", '{"a":[1,"two"]}']])
        self.assertEqual(self.table("list_global_parameters"), [["name", "value"], ["whole", '"text"']])
        self.ctl("set_parameter", "shovel", "settings", "{", code=65)
        self.ctl("set_parameter", "mine", "settings", "{}", code=65)
        self.ctl("clear_parameter", "shovel", "settings")
        self.ctl("clear_parameter", "shovel", "settings", code=65)
        self.ctl("clear_global_parameter", "whole")
        self.assertEqual(self.ctl("-q", "list_parameters"), "")


class DefinitionsTest(CtlTest):
    def test_definitions_of_rabbitmq_come_in_and_its_users_log_in(self):
        for file in sorted(DEFINITIONS.glob("rabbitmq_*.json")):
            with self.subTest(file.name):
                self.ctl("import_definitions", str(file))
                for user, password in OLD_PASSWORDS.items():
                    self.ctl("authenticate_user", user, password)
                    self.ctl("authenticate_user", user, password + "x", code=65)
                self.ctl("authenticate_user", "locked", "locked", code=65)
                self.assertTrue(may_log_in(self.server.amqp, "robot", OLD_PASSWORDS["robot"], "shop"))
                self.assertIn(["safe", "quorum"], self.table("list_queues", "-p", "shop", "name", "type"))
                self.assertIn(["tmp.work", "expire"], self.table("list_queues", "-p", "shop", "name", "policy"))
                self.assertIn(["robot", '{"max-connections":5,"max-channels":50}'],
                              self.table("list_user_limits", "--global"))
                self.assertIn(["byhead", "exchange", "tmp.work", "queue", "",
                               '[{"hot",true},{"kind","rush"},{"level",3},{"weight",1.5E0},{"x-match","any"}]'],
                              self.table("list_bindings", "-p", "shop"))

    def test_what_was_exported_comes_back_the_same(self):
        self.ctl("import_definitions", str(DEFINITIONS / "rabbitmq_3_10_management.json"))
        self.ctl("set_global_parameter", "mine", '{"a": null}')
        file = self.server.home / "exported.json"
        self.ctl("export_definitions", str(file))
        exported = file.read_text()
        other = baton.Server(env=FRESH).start()
        self.addCleanup(other.close)

        for _ in range(2):
            done = other.baton("ctl", "import_definitions", "-", stdin=exported)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(other.baton("ctl", "export_definitions", "-", check=0).stdout),
                             json.loads(exported))

    def test_mistakes_name_their_place_and_change_nothing(self):
        before = self.ctl("export_definitions", "-")
        for text, complaint in (
                ("{", "line 1, column 2"),
                ("[]", "must be a JSON object"),
                ('{"queues": {}}', "queues: must be an array"),
                ('{"queues": [{"name": "q"}]}', "queues[0] 'q': 'vhost' is missing"),
                ('{"vhosts": [{"name": "v"}], "queues": [{"name": "q", "vhost": "/", "durable": 5}]}',
                 "queues[0] 'q': 'durable' must be true or false"),
                ('{"users": [{"name": "u", "password_hash": "x", "hashing_algorithm": "rot13", "tags": ""}]}',
                 "users[0] 'u': 'hashing_algorithm' is 'rot13'"),
                ('{"policies": [{"vhost": "/", "name": "p", "pattern": "x", "definition": 7}]}',
                 "policies[0] 'p': 'definition' must be an object"),
                ('{"queues": [{"name": "q", "vhost": "nowhere"}]}', "queues[0] 'q': no vhost 'nowhere'"),
                ('{"policies": [{"vhost": "/", "name": "p", "pattern": "(", "definition": {"max-length": 1}}]}',
                 "policies[0] 'p': "),
                ('{"vhosts": [{"name": "half"}], "policies": [{"vhost": "half", "name": "p", "pattern": "(", "definition": '
                 '{"max-length": 1}}], "queues": [{"name": "a", "vhost": "/"}, {"name": "b", "vhost": "nowhere"}]}',
                 "queues[1] 'b': no vhost 'nowhere'\nNothing was changed."),
                ('{"users": [{"name": "half", "password_hash": "abc", "tags": "administrator"}]}',
                 "users[0] 'half': 'password_hash' has 2 bytes"),
                ('{"quues": []}', "'quues': there is no such section; did you mean 'queues'?"),
        ):
            with self.subTest(text):
                self.assertIn(complaint, self.ctl("import_definitions", "-", stdin=text, code=65))
        complaint = self.ctl("import_definitions", "/nowhere.json", code=64)
        self.assertEqual(complaint.count("/nowhere.json': No such file or directory"), 1)
        self.assertEqual(complaint.count("cannot"), 1)
        self.assertEqual(self.ctl("export_definitions", "-"), before)

    def test_a_key_nobody_knows_is_passed_over_with_a_line_in_the_log(self):
        self.ctl("import_definitions", "-", stdin='{"rabbit_version": "9.0.0", "tomorrow": [1], "queues": []}')
        self.assertRegex(self.server.log(), "nobody knows this key of the file.*key=tomorrow")
        self.assertNotIn("key=rabbit_version", self.server.log())

    def test_definitions_of_one_virtual_host_come_and_go(self):
        self.ctl("import_definitions", str(DEFINITIONS / "rabbitmq_3_10_management.json"))
        self.ctl("add_vhost", "copy")
        status, shop = http(self.server.http, "GET", "definitions/shop")
        self.assertEqual(status, 200)
        self.assertNotIn("users", shop)
        self.assertEqual(http(self.server.http, "POST", "definitions/copy", shop)[0], 204)
        self.assertEqual(http(self.server.http, "GET", "definitions/copy")[1], shop)
        self.assertEqual(http(self.server.http, "POST", "definitions/nowhere", shop)[0], 404)


class DefinitionsAtStartTest(unittest.TestCase):
    def test_a_file_is_brought_in_at_each_start_and_changes_nothing_twice(self):
        server = baton.Server(env=dict(FRESH, BATON_BROKER_DEFINITIONS=str(DEFINITIONS / "rabbitmq_3_10_rabbitmqctl.json"),
                                       BATON_USER="ada", BATON_PASSWORD=OLD_PASSWORDS["ada"]))
        self.addCleanup(server.close)
        server.start()
        first = json.loads(server.baton("ctl", "export_definitions", "-", check=0).stdout)
        self.assertEqual(server.stop(), 0)

        server.start()

        self.assertEqual(json.loads(server.baton("ctl", "export_definitions", "-", check=0).stdout), first)
        self.assertTrue(may_log_in(server.amqp, "robot", OLD_PASSWORDS["robot"], "shop"))
        # The second time only what does not outlive a restart: three transient exchanges and what is
        # bound to them.
        news = [int(number) for number in re.findall(r"brought in .*new=(\d+)", server.log())]
        self.assertEqual(len(news), 2)
        self.assertEqual(news[1], 7)

    def test_nothing_new_is_not_told(self):
        server = baton.Server(env=FRESH)
        self.addCleanup(server.close)
        file = server.home / "definitions.json"
        file.write_text(json.dumps({
            "users": [{"name": "ada", "password": "secret", "tags": "administrator"}],
            "vhosts": [{"name": "/"}, {"name": "shop", "limits": {"max-queues": 9}}],
            "permissions": [{"user": "ada", "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
                            for vhost in ("/", "shop")],
            "topic_permissions": [{"user": "ada", "vhost": "shop", "exchange": "amq.topic", "write": "a", "read": "b"}],
            "global_parameters": [{"name": "cluster_name", "value": "rabbit@here"}],
            "parameters": [{"vhost": "shop", "component": "shovel", "name": "p", "value": {"b": 1, "a": [2.5, None]}}],
            "policies": [{"vhost": "shop", "name": "p", "pattern": "^q", "definition": {"max-length": 5}}],
            "exchanges": [{"vhost": "shop", "name": "e", "type": "topic", "durable": True, "arguments": {}}],
            "queues": [{"vhost": "shop", "name": "q", "durable": True, "arguments": {"x-queue-type": "quorum"}}],
            "bindings": [{"vhost": "shop", "source": "e", "destination": "q", "destination_type": "queue",
                          "routing_key": "k", "arguments": {}}]}))
        server.env.update(BATON_BROKER_DEFINITIONS=str(file), BATON_USER="ada", BATON_PASSWORD="secret")
        for _ in range(2):
            server.start()
            server.baton("ctl", "list_queues", "-p", "shop", check=0)
            self.assertEqual(server.stop(), 0)
        # The virtual host / is there from the beginning.
        self.assertEqual(re.findall(r"brought in .*new=(\d+)", server.log()), ["12"])

    def test_a_bad_file_stops_the_start_and_says_where(self):
        folder = tempfile.mkdtemp(prefix="baton-test-")
        self.addCleanup(shutil.rmtree, folder)
        file = baton.pathlib.Path(folder) / "bad.json"
        file.write_text('{\n  "users": [{"name": "u"}]\n}')
        server = baton.Server(env=dict(FRESH, BATON_BROKER_DEFINITIONS=str(file)))
        self.addCleanup(server.close)

        done = server.baton("serve", timeout=60)

        self.assertEqual(done.returncode, 2)
        self.assertIn("users[0] 'u': 'tags' is missing", done.stderr)
        self.assertIn("bad.json", done.stderr)


class HttpTest(CtlTest):
    def call(self, *args, **kwargs):
        return http(self.server.http, *args, **kwargs)

    def test_tags_decide_who_may_do_what(self):
        for user, tags in (("plain", ""), ("own", "management"), ("maker", "policymaker"), ("seer", "monitoring")):
            self.assertEqual(self.call("PUT", f"users/{user}", {"password": "pw", "tags": tags})[0], 201)
        self.call("PUT", "vhosts/shop")
        for user in ("own", "maker"):
            self.call("PUT", f"permissions/shop/{user}", {"configure": f"^{user}", "write": "", "read": ""})

        status, body = self.call("GET", "overview", user="plain:pw")
        self.assertEqual((status, body["error"]), (401, "not_authorised"))
        self.assertIn("tags", body["reason"])
        self.assertEqual(self.call("GET", "overview", user="own:no")[0], 401)
        names = lambda user: [vhost["name"] for vhost in self.call("GET", "vhosts", user=user)[1]]
        self.assertEqual(names("own:pw"), ["shop"])
        self.assertEqual(names("seer:pw"), ["/", "shop"])
        for path in ("users", "permissions", "definitions", "users/own"):
            for user in ("own:pw", "maker:pw", "seer:pw"):
                self.assertEqual(self.call("GET", path, user=user)[0], 401, (path, user))
        self.assertEqual(self.call("GET", "queues/%2F", user="own:pw")[0], 401)
        self.assertEqual(self.call("GET", "queues/%2F", user="seer:pw")[0], 200)
        self.assertEqual(self.call("PUT", "queues/shop/own.q", {}, user="own:pw")[0], 201)
        status, body = self.call("PUT", "queues/shop/other", {}, user="own:pw")
        self.assertEqual(status, 401)
        self.assertIn("configure access to 'other' in vhost 'shop' refused for user 'own'", body["reason"])
        self.assertEqual(self.call("DELETE", "queues/shop/own.q/contents", user="own:pw")[0], 401)
        policy = {"pattern": ".*", "definition": {"max-length": 1}}
        self.assertEqual(self.call("PUT", "policies/shop/p", policy, user="own:pw")[0], 401)
        self.assertEqual(self.call("PUT", "policies/shop/p", policy, user="maker:pw")[0], 201)
        self.assertEqual(self.call("PUT", "policies/%2F/p", policy, user="maker:pw")[0], 401)
        self.assertEqual(self.call("PUT", "operator-policies/shop/p", policy, user="maker:pw")[0], 401)
        self.assertEqual(self.call("PUT", "users/x", {"password": "x", "tags": ""}, user="seer:pw")[0], 401)
        # Workflows and runs ask for Baton's own tags; of RabbitMQ's only monitoring may look.
        for user in ("plain:pw", "own:pw", "maker:pw"):
            self.assertEqual(self.call("GET", "workflows", user=user)[0], 403, user)
        self.assertEqual(self.call("GET", "workflows", user="seer:pw")[0], 200)
        self.assertEqual(self.call("POST", "workflows", {"source": "x"}, user="seer:pw")[0], 403)

    def test_objects_are_made_changed_and_removed_with_rabbitmqs_codes(self):
        queue = {"durable": True, "arguments": {"x-max-length": 5}}
        self.assertEqual(self.call("PUT", "queues/%2F/q", queue)[0], 201)
        self.assertEqual(self.call("PUT", "queues/%2F/q", queue)[0], 204)
        status, body = self.call("PUT", "queues/%2F/q", {"durable": False, "arguments": {"x-max-length": 5}})
        self.assertEqual((status, body["error"]), (400, "bad_request"))
        self.assertIn("inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
                      body["reason"])
        self.assertEqual(self.call("GET", "queues/%2F/none")[0], 404)
        self.assertEqual(self.call("DELETE", "queues/%2F/none")[0], 404)
        self.assertEqual(self.call("PUT", "queues/nowhere/q", {})[0], 404)
        self.assertEqual(self.call("PUT", "queues/%2F/q2", b"{")[0], 400)
        self.assertEqual(self.call("PUT", "exchanges/%2F/e", {"type": "topic"})[0], 201)
        self.assertEqual(self.call("PUT", "exchanges/%2F/e", {"type": "direct"})[0], 400)
        self.assertEqual(self.call("PUT", "exchanges/%2F/amq.mine", {"type": "direct"})[0], 401)
        self.assertEqual(self.call("DELETE", "exchanges/%2F/none")[0], 404)
        self.assertEqual(self.call("POST", "bindings/%2F/e/e/q/q", {"routing_key": "a.#", "arguments": {"z": 1}})[0], 201)
        self.assertEqual(self.call("POST", "bindings/%2F/e/e/q/q", {})[0], 201)
        self.assertEqual(self.call("POST", "bindings/%2F/e/none/q/q", {})[0], 404)
        keys = {b["properties_key"]: b for b in self.call("GET", "bindings/%2F/e/e/q/q")[1]}
        self.assertEqual(len(keys), 2)
        self.assertEqual(keys["~"]["routing_key"], "")
        for key in keys:
            path = "bindings/%2F/e/e/q/q/" + urllib.parse.quote(key, safe="~")
            self.assertEqual(self.call("GET", path)[0], 200, path)
            self.assertEqual(self.call("DELETE", path)[0], 204, path)
        self.assertEqual(self.call("GET", "bindings/%2F/e/e/q/q")[1], [])
        self.assertEqual(self.call("DELETE", "queues/%2F/q/contents")[0], 204)
        self.assertEqual(self.call("DELETE", "exchanges/%2F/e")[0], 204)
        self.assertEqual(self.call("DELETE", "queues/%2F/q")[0], 204)
        self.assertEqual(self.call("PUT", "vhosts/v")[0], 201)
        self.assertEqual(self.call("PUT", "vhosts/v", {"description": "d", "tags": "a,b"})[0], 204)
        self.assertEqual(self.call("GET", "vhosts/v")[1]["tags"], ["a", "b"])
        self.assertEqual(self.call("DELETE", "vhosts/v")[0], 204)
        self.assertEqual(self.call("DELETE", "vhosts/v")[0], 404)
        self.assertEqual(self.call("PUT", "users/u", {"password": "x"})[0], 400)
        self.assertEqual(self.call("POST", "overview")[0], 405)
        self.assertEqual(self.call("GET", "nosuch")[0], 404)

    def test_a_user_of_the_servers_own_stays_hidden(self):
        self.assertEqual([user["name"] for user in self.call("GET", "users")[1]], ["guest"])
        self.assertNotIn("baton-orchestrator", json.dumps(self.call("GET", "definitions")[1]))
        self.assertEqual(self.call("DELETE", "users/baton-orchestrator")[0], 404)
        self.assertEqual(self.call("PUT", "users/baton-orchestrator", {"password": "x", "tags": ""})[0], 400)


class ServerWordsTest(CtlTest):
    def test_the_server_says_how_it_is(self):
        status = self.ctl("status")
        for part in ("Status of node baton@", "OS PID: %d" % self.server.process.pid, "(none)",
                     f"Interface: 127.0.0.1, port: {self.server.amqp}, protocol: amqp"):
            self.assertIn(part, status)
        self.assertEqual(json.loads(self.ctl("status", "--formatter", "json"))["os_pid"], self.server.process.pid)
        self.assertIn("Ping succeeded", self.ctl("ping"))
        self.assertEqual(self.ctl("await_startup", "--timeout", "30"), "")
        self.assertRegex(self.ctl("version"), r"^\d+\.\d+")

    def test_a_server_that_is_away_is_code_69_or_75(self):
        self.server.env["BATON_URL"] = "http://127.0.0.1:%d" % baton.free_ports(1)[0]
        self.assertIn("Is a server running", self.ctl("list_queues", code=69))
        self.ctl("ping", "--timeout", "1", code=69)
        self.ctl("await_startup", "--timeout", "0", code=75)

    def test_a_user_who_may_not_is_code_77(self):
        self.ctl("add_user", "plain", "pw")
        self.server.env.update({"BATON_USER": "plain", "BATON_PASSWORD": "pw"})
        self.assertIn("tags", self.ctl("list_queues", code=77))
        self.server.env["BATON_PASSWORD"] = "wrong"
        self.assertIn("BATON_PASSWORD", self.ctl("list_queues", code=77))

    def test_every_word_has_help_with_an_example(self):
        words = re.findall(r"^   (\w+) ", self.ctl("help"), re.M)
        self.assertGreater(len(words), 50)
        for word in words:
            text = self.ctl(word, "--help")
            self.assertIn(f"  baton ctl {word}", text)
        self.assertEqual(self.ctl("help", words[0]), self.ctl(words[0], "-?"))
        self.assertIn("'bogus' not found", self.ctl("bogus", code=64))
        self.assertIn("'list_quues' not found.\nDid you mean 'list_queues'?", self.ctl("list_quues", code=64))
        self.ctl(code=64)

    def test_the_help_of_lists_names_their_columns(self):
        for word in ("list_queues", "list_exchanges", "list_bindings", "list_connections", "list_channels",
                     "list_consumers", "list_vhosts"):
            sections = self.ctl(word, "--help").split("\n\n")
            names = re.findall(r"\w+", sections[sections.index("Columns") + 1])
            # All of them are taken, and none stays out of the table.
            self.assertEqual(self.ctl(word, "--formatter", "json", *names)[0], "[")
            self.assertGreater(len(names), 3)
        self.assertIn("stay empty here\n\n  messages_ready_ram,", self.ctl("list_queues", "--help"))
        self.assertNotIn("Columns", self.ctl("add_user", "--help"))

    def test_an_empty_name_is_named(self):
        for args, what in ((("add_user", "", "x"), "username"), (("delete_user", ""), "username"),
                           (("set_permissions", "-p", "/", "", "a", "b", "c"), "username"), (("add_vhost", ""), "vhost"),
                           (("delete_vhost", ""), "vhost"), (("delete_queue", ""), "queue")):
            self.assertIn(f"Error (argument validation): the {what} must not be empty", self.ctl(*args, code=64))


@unittest.skipUnless(os.environ.get("BATON_TEST_RABBITMQ"), "BATON_TEST_RABBITMQ is not set")
class BesideRabbitMqTest(CtlTest):
    """The same done to both, and the same printed by both."""

    def setUp(self):
        super().setUp()
        self.home = tempfile.mkdtemp(prefix="baton-rabbitmq-")
        self.port, distribution, epmd = baton.free_ports(3)
        cookie = baton.pathlib.Path(self.home) / ".erlang.cookie"
        cookie.write_text("BATONTESTCOOKIE")
        cookie.chmod(0o400)
        (baton.pathlib.Path(self.home) / "enabled_plugins").write_text("[].\n")
        (baton.pathlib.Path(self.home) / "rabbitmq.conf").write_text("log.console = false\n")
        self.env_of_node = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.home, "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"baton{self.port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": self.home + "/mnesia", "RABBITMQ_LOG_BASE": self.home + "/log",
            "RABBITMQ_PID_FILE": self.home + "/pid", "RABBITMQ_CONFIG_FILE": self.home + "/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.home + "/enabled_plugins", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.home + "/none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }
        self.processes = []
        self.addCleanup(self.end_node)
        for command in (["/usr/bin/epmd", "-port", str(epmd), "-address", "127.0.0.1"],
                        ["/usr/lib/rabbitmq/bin/rabbitmq-server"]):
            self.processes.append(subprocess.Popen(command, env=self.env_of_node, stdout=subprocess.DEVNULL,
                                                   stderr=subprocess.DEVNULL, start_new_session=True))
        baton.wait_for(lambda: baton.accepts(self.port), "RabbitMQ starts", 120, pause=0.2)
        self.rabbitmqctl("await_startup")

    def end_node(self):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
        shutil.rmtree(self.home, ignore_errors=True)

    def rabbitmqctl(self, *args):
        done = subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", *args], env=self.env_of_node, text=True,
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_both_print_the_same(self):
        connections = [make_topology(port)[0] for port in (self.server.amqp, self.port)]
        for connection in connections:
            self.addCleanup(connection.close)
        changes = [("add_vhost", "shop"), ("add_user", "ada", "secret"), ("set_user_tags", "ada", "monitoring", "x"),
                   ("set_permissions", "-p", "shop", "ada", "^a", ".*", ""),
                   ("set_topic_permissions", "-p", "shop", "ada", "amq.topic", "^w", "^r"),
                   ("set_policy", "-p", "shop", "ttl", "^q", '{"message-ttl":1000}', "--priority", "3", "--apply-to", "queues"),
                   ("set_vhost_limits", "-p", "shop", '{"max-connections": 64}'),
                   ("set_user_limits", "ada", '{"max-connections": 2}'),
                   ("set_global_parameter", "gp", '{"a":1}')]
        for change in changes:
            self.assertEqual(self.ctl(*change).replace("baton ctl", "rabbitmqctl"), self.rabbitmqctl(*change))
        time.sleep(6)  # RabbitMQ's list words read statistics it writes every five seconds.
        lists = [("list_queues",), ("list_queues", "name", "messages_ready", "messages_unacknowledged", "durable",
                                    "auto_delete", "exclusive", "consumers", "arguments", "policy", "type", "state",
                                    "message_bytes"),
                 ("list_exchanges", "name", "type", "durable", "auto_delete", "internal", "arguments", "policy"),
                 ("list_bindings",), ("list_connections", "user", "vhost", "state", "channels", "peer_host", "ssl",
                                      "protocol", "frame_max", "channel_max", "auth_mechanism", "timeout"),
                 ("list_channels", "number", "user", "vhost", "transactional", "confirm", "consumer_count",
                  "messages_unacknowledged", "messages_unconfirmed", "prefetch_count", "global_prefetch_count"),
                 ("list_consumers", "queue_name", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"),
                 ("list_users",), ("list_vhosts",), ("list_permissions", "-p", "shop"),
                 ("list_user_permissions", "ada"), ("list_topic_permissions", "-p", "shop"),
                 ("list_policies", "-p", "shop"), ("list_vhost_limits", "--global"), ("list_user_limits", "--global")]
        for words in lists:
            with self.subTest(words):
                ours, theirs = (sorted(text.splitlines()) for text in (self.ctl(*words), self.rabbitmqctl(*words)))
                # Ours has the orchestrator's things besides, among them a queue with a made-up name.
                self.assertEqual([line for line in ours if "baton" not in line and "amq.gen-" not in line], theirs)

    def test_rabbitmq_takes_what_baton_exports(self):
        self.ctl("import_definitions", str(DEFINITIONS / "rabbitmq_3_10_management.json"))
        file = baton.pathlib.Path(self.home) / "from-baton.json"
        self.ctl("export_definitions", str(file))

        self.rabbitmqctl("import_definitions", str(file))

        for user, password in OLD_PASSWORDS.items():
            self.rabbitmqctl("authenticate_user", user, password)
        for words in (("list_permissions", "-p", "shop"), ("list_policies", "-p", "shop"),
                      ("list_operator_policies", "-p", "shop"), ("list_vhost_limits", "-p", "shop"),
                      ("list_queues", "-p", "shop", "name", "arguments"),
                      ("list_exchanges", "-p", "shop", "name", "type", "arguments")):
            with self.subTest(words):
                ours, theirs = (sorted(text.splitlines()) for text in (self.ctl(*words), self.rabbitmqctl(*words)))
                self.assertEqual(ours, theirs)


if __name__ == "__main__":
    unittest.main()
