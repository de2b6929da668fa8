"""The management API answers with the members RabbitMQ's answers have, each of the same kind. What RabbitMQ 3.10
answered stands in shapes/rabbitmq_3_10.json; what Baton does not have of it, on purpose, in shapes/missing.json, so
that both a member that gets lost and one that comes to be change a file. With BATON_TEST_RABBITMQ=1 RabbitMQ is asked
again, and with BATON_UPDATE_SHAPES=1 the files are written anew."""
import base64
import json
import os
import pathlib
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

SHAPES = pathlib.Path(__file__).parent / "shapes"
RATES = "?msg_rates_age=60&msg_rates_incr=5&lengths_age=60&lengths_incr=5"
UPDATES = bool(os.environ.get("BATON_UPDATE_SHAPES"))


def shape_of(value, path="", into=None):
    """Paths of members, those of all entries of a list together, with the kinds of their values."""
    into = {} if into is None else into
    kind = {bool: "truth", int: "number", float: "number", str: "text", dict: "object", list: "list",
            type(None): "nothing"}[type(value)]
    into.setdefault(path, set()).add(kind)
    if isinstance(value, dict):
        for key, entry in value.items():
            shape_of(entry, f"{path}.{key}", into)
    if isinstance(value, list):
        for entry in value:
            shape_of(entry, path + "[]", into)
    return into


class Asked:
    """A broker with its management port, and the same things done to it."""

    def __init__(self, amqp, http):
        self.amqp, self.http = amqp, http
        for path, body in (("vhosts/shop", {"description": "a shop"}), ("users/ada", {"password": "secret", "tags": "monitoring"}),
                           ("permissions/shop/ada", {"configure": "^a", "write": ".*", "read": ""}),
                           ("permissions/shop/guest", {"configure": ".*", "write": ".*", "read": ".*"}),
                           ("topic-permissions/shop/ada", {"exchange": "amq.topic", "write": "^w", "read": "^r"}),
                           ("policies/shop/ttl", {"pattern": "^q", "definition": {"message-ttl": 100000}, "apply-to": "queues"}),
                           ("vhost-limits/shop/max-connections", {"value": 64}), ("user-limits/ada/max-connections", {"value": 2}),
                           ("global-parameters/gp", {"value": {"a": 1}})):
            self.ask("PUT", path, body)
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", amqp, "shop"))
        channel = self.connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("e", "topic", durable=True)
        channel.queue_declare("q", durable=True, arguments={"x-max-length": 100})
        channel.queue_bind("q", "e", "k.#", {"a": "b"})
        for _ in range(4):
            channel.basic_publish("e", "k.1", b"x", pika.BasicProperties(delivery_mode=2))
        for auto_ack in (False, True):
            method, _, _ = channel.basic_get("q", auto_ack=auto_ack)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("q", lambda *_: None)
        self.connection.process_data_events(0.2)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/api/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()}") from None
        return json.loads(text) if text else None

    def shapes(self):
        # RabbitMQ's statistics are written every five seconds; rates need two of them, and Baton takes samples of
        # what somebody asks for.
        for path in ("overview", "queues/shop/q", "exchanges/shop/e", "vhosts/shop/channels"):
            self.ask("GET", path + RATES)
        end = time.monotonic() + 12
        while time.monotonic() < end:
            self.connection.process_data_events(0.5)
        node = urllib.parse.quote(self.ask("GET", "overview")["node"])
        channel = urllib.parse.quote(self.ask("GET", "vhosts/shop/channels")[0]["name"])
        connection = urllib.parse.quote(self.ask("GET", "vhosts/shop/connections")[0]["name"])
        paths = {
            "overview": "overview" + RATES, "nodes": "nodes", "node": f"nodes/{node}", "queues": "queues/shop",
            "queue": "queues/shop/q" + RATES, "exchanges": "exchanges/shop", "exchange": "exchanges/shop/e" + RATES,
            "bindings": "bindings/shop", "bindings of a queue": "queues/shop/q/bindings", "connections": "vhosts/shop/connections",
            "connection": f"connections/{connection}", "channels": "vhosts/shop/channels", "channel": f"channels/{channel}",
            "channels of a connection": f"connections/{connection}/channels", "consumers": "consumers/shop", "vhosts": "vhosts",
            "vhost": "vhosts/shop", "permissions of a vhost": "vhosts/shop/permissions", "users": "users", "user": "users/ada",
            "permissions of a user": "users/ada/permissions", "permissions": "permissions", "topic permissions": "topic-permissions",
            "policies": "policies/shop", "policy": "policies/shop/ttl", "vhost limits": "vhost-limits", "user limits": "user-limits",
            "global parameter": "global-parameters/gp", "whoami": "whoami", "auth": "auth", "attempts": f"auth/attempts/{node}",
            "definitions": "definitions", "definitions of a vhost": "definitions/shop", "cluster name": "cluster-name",
            "extensions": "extensions", "aliveness": "aliveness-test/shop", "alarms": "health/checks/alarms",
            "local alarms": "health/checks/local-alarms", "virtual hosts": "health/checks/virtual-hosts",
            "page": "queues/shop?page=1&page_size=5",
        }
        found = {name: shape_of(self.ask("GET", path)) for name, path in paths.items()}
        return {name: {path: "|".join(sorted(kinds)) for path, kinds in sorted(shape.items())} for name, shape in found.items()}

    def close(self):
        self.connection.close()


class RabbitMq:
    """Debian's, with its management plugin, in a folder of its own; its processes are ended by their ids."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="baton-rabbitmq-")
        self.amqp, self.http, distribution, epmd = baton.free_ports(4)
        home = pathlib.Path(self.home)
        (home / ".erlang.cookie").write_text("BATONTESTCOOKIE")
        (home / ".erlang.cookie").chmod(0o400)
        (home / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (home / "rabbitmq.conf").write_text(f"log.console = false\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.http}\n")
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.home, "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"baton{self.amqp}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.amqp), "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": self.home + "/mnesia", "RABBITMQ_LOG_BASE": self.home + "/log",
            "RABBITMQ_PID_FILE": self.home + "/pid", "RABBITMQ_CONFIG_FILE": self.home + "/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.home + "/enabled_plugins", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.home + "/none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }
        self.processes = [subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                           start_new_session=True)
                          for command in (["/usr/bin/epmd", "-port", str(epmd), "-address", "127.0.0.1"],
                                          ["/usr/lib/rabbitmq/bin/rabbitmq-server"])]
        try:
            baton.wait_for(lambda: baton.accepts(self.amqp) and baton.accepts(self.http), "RabbitMQ starts", 180, pause=0.5)
            time.sleep(2)
        except AssertionError:
            self.close()
            raise

    def close(self):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)


def recorded(name):
    return json.loads((SHAPES / name).read_text())


def record(name, value):
    SHAPES.mkdir(exist_ok=True)
    (SHAPES / name).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


class ShapeTest(unittest.TestCase):
    maxDiff = None

    def asked(self, amqp, http):
        asked = Asked(amqp, http)
        self.addCleanup(asked.close)
        return asked.shapes()

    def test_answers_have_rabbitmqs_members_of_the_same_kind(self):
        server = baton.Server(env={"BATON_BROKER_USERS": ""}).start()
        self.addCleanup(server.close)
        ours, theirs = self.asked(server.amqp, server.http), recorded("rabbitmq_3_10.json")
        self.assertEqual(sorted(ours), sorted(theirs))
        missing, other = {}, {}
        for name, shape in theirs.items():
            gone = [path for path in shape if path not in ours[name]]
            # What lies in a missing member is missing with it.
            missing[name] = [path for path in gone if not any(path.startswith((whole + ".", whole + "[]")) for whole in gone)]
            other[name] = {path: f"{kinds}, here {ours[name][path]}" for path, kinds in shape.items()
                           if path in ours[name] and kinds != "nothing"
                           and not set(ours[name][path].split("|")) & {*kinds.split("|"), "nothing"}}
        found = {"missing": {name: paths for name, paths in missing.items() if paths},
                 "other kind": {name: paths for name, paths in other.items() if paths}}
        if UPDATES:
            record("missing.json", found)
        self.assertEqual(found, recorded("missing.json"))

    @unittest.skipUnless(os.environ.get("BATON_TEST_RABBITMQ"), "BATON_TEST_RABBITMQ is not set")
    def test_rabbitmq_answers_as_it_did(self):
        node = RabbitMq()
        self.addCleanup(node.close)
        theirs = self.asked(node.amqp, node.http)
        if UPDATES:
            record("rabbitmq_3_10.json", theirs)
        self.assertEqual(theirs, recorded("rabbitmq_3_10.json"))


if __name__ == "__main__":
    unittest.main()
