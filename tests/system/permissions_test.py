"""What users of the configuration may do: those of deploy/baton.toml, which compose.yaml runs with, and each
tag of Baton's own, where it is allowed as well as where it is not."""
import base64
import json
import unittest
import urllib.error
import urllib.request

import pika

import baton
import house

WORKFLOW = 'workflow = "waits"\n[[step]]\nid = "a"\ntask = "nobody.works"\n'


def refusal(url, action):
    """The AMQP code with which `action(channel)` is refused; None: it is not."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        action(connection.channel())
        return None
    except pika.exceptions.ChannelClosedByBroker as closed:
        return closed.reply_code
    finally:
        if connection.is_open:
            connection.close()


class WorkerOfTheContainersTest(unittest.TestCase):
    def setUp(self):
        self.house = house.House()
        self.addCleanup(self.house.close)
        home = self.house.server.home
        secrets = home / "secrets"
        secrets.mkdir()
        for name in ("admin", "worker"):
            (secrets / f"{name}_password").write_text(name + "-secret\n")
        users = (baton.ROOT / "deploy" / "baton.toml").read_text().replace("/run/secrets", str(secrets))
        (home / "baton.toml").write_text(users + '\n[[broker.user]]\nname = "guest"\npassword = "guest"\ntags = ["administrator"]\n')
        for env in (self.house.env, self.house.worker_env):
            del env["BATON_BROKER_USERS"]
        self.url = f"amqp://worker:worker-secret@127.0.0.1:{self.house.server.amqp}/"
        self.house.worker_env["BATON_BROKER_URL"] = self.url

    def test_it_works_and_may_nothing_else(self):
        self.house.start()
        self.house.server.baton("run", "provision-user", "--set", "email=ada@example.org", "--set", "first_name=Ada",
                                "--set", "last_name=Lovelace", check=0)
        self.assertNotIn("does not hear cancels", self.house.logs())
        # A type no workflow names: the worker makes its queue by itself.
        self.assertIsNone(refusal(self.url, lambda channel: channel.queue_declare("baton.task.own.type", durable=True)))

        def publish(exchange):
            def act(channel):
                channel.confirm_delivery()
                channel.basic_publish(exchange, "mail.create", b"{}")
            return act
        for what, act in {
                "reports of others": lambda channel: channel.basic_get("baton.report.0"),
                "dead letters": lambda channel: channel.basic_get("baton.dead"),
                "tasks without a queue": lambda channel: channel.basic_get("baton.unrouted"),
                "a queue of its own name": lambda channel: channel.queue_declare("mine"),
                "somebody's reports gone": lambda channel: channel.queue_delete("baton.report.0"),
                "an exchange": lambda channel: channel.exchange_declare("mine"),
                "tasks of its own": publish("baton.task"),
                "events": publish("baton.event"),
                "all of an exchange": lambda channel: (channel.queue_declare("", exclusive=True),
                                                       channel.queue_bind("", "baton.run", "#")),
        }.items():
            with self.subTest(what=what):
                self.assertEqual(refusal(self.url, act), 403)
        status, _ = answer_of(self.house.server, "GET", "/api/runs", None, "worker", "worker-secret")
        self.assertEqual(status, 403)
        status, _ = answer_of(self.house.server, "GET", "/api/overview", None, "worker", "worker-secret")
        self.assertEqual(status, 401)

    def test_permissions_are_those_of_the_file_after_each_start(self):
        server = self.house.server.start()
        server.baton("ctl", "add_vhost", "other", check=0)
        server.baton("ctl", "set_permissions", "--vhost", "other", "worker", ".*", ".*", ".*", check=0)
        server.baton("ctl", "set_permissions", "worker", ".*", ".*", ".*", check=0)
        self.assertIsNone(refusal(self.url, lambda channel: channel.queue_declare("mine", durable=True)))
        self.assertIsNone(refusal(self.url + "other", lambda channel: channel.queue_declare("mine")))
        server.stop()

        server.start()

        self.assertEqual(refusal(self.url, lambda channel: channel.queue_declare("mine", durable=True)), 403)
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            refusal(self.url + "other", lambda channel: None)


def answer_of(server, method, path, body, user, password):
    request = urllib.request.Request(f"http://127.0.0.1:{server.http}{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null")


TAGS = ("none", "baton-viewer", "monitoring", "baton-operator", "baton-deployer", "baton-admin", "administrator")
LOOK = {"baton-viewer", "monitoring", "baton-operator", "baton-deployer", "baton-admin", "administrator"}
OPERATE = {"baton-operator", "baton-admin", "administrator"}
DEPLOY = {"baton-deployer", "baton-admin", "administrator"}
ADMINISTER = {"baton-admin", "administrator"}


class RolesTest(baton.ServerTest):
    env = {"BATON_BROKER_USERS": "guest:guest," + ",".join(
        f"{tag}[{'' if tag == 'none' else tag}]:secret" for tag in TAGS)}

    def expect(self, allowed, status, method, path, body=None):
        """`path` and `body` may be functions of the tag, for what can be done only once."""
        for tag in TAGS:
            with self.subTest(tag=tag, path=path, method=method):
                made = path(tag) if callable(path) else path
                found, text = answer_of(self.server, method, made, body(tag) if callable(body) else body, tag, "secret")
                self.assertEqual(found, status if tag in allowed else 403, text)

    def started(self, _=None):
        return self.server.http_json(self.server.http, "/api/runs", {"workflow": "waits"})["run"]

    def setUp(self):
        self.server.http_json(self.server.http, "/api/workflows", {"source": WORKFLOW, "file": "waits.toml"})

    def test_who_looks(self):
        run = self.started()
        for path in ("/api/workflows", "/api/runs", f"/api/runs/{run}", f"/api/runs/{run}/history", "/api/counts",
                     "/api/dead", "/api/metrics"):
            self.expect(LOOK, 200, "GET", path)
        self.expect(LOOK, 404, "GET", "/api/dead/4711")

    def test_who_operates(self):
        self.expect(OPERATE, 201, "POST", "/api/runs", {"workflow": "waits"})
        self.expect(OPERATE, 200, "POST", lambda tag: f"/api/runs/{self.started()}/cancel", {"reason": "a test"})
        # Allowed, and the run is in no state for it.
        self.expect(OPERATE, 409, "POST", lambda tag: f"/api/runs/{self.started()}/retry", {})
        self.expect(OPERATE, 404, "POST", "/api/dead/4711/redrive", {})
        self.expect(OPERATE, 404, "DELETE", "/api/dead/4711")
        self.expect(OPERATE, 504, "POST", "/api/call", {"task": "nobody.works", "with": {}, "timeout_ms": 50})

    def test_who_deploys(self):
        self.expect(DEPLOY, 201, "POST", "/api/workflows", lambda tag: {
            "source": WORKFLOW.replace("waits", "by-" + tag), "file": "x.toml"})

    def test_who_makes_backups(self):
        self.expect(ADMINISTER, 200, "POST", "/api/backup", lambda tag: {"folder": str(self.server.home / tag)})

    def test_who_did_it_stands_in_the_history(self):
        for tag in sorted(OPERATE):
            _, answer = answer_of(self.server, "POST", "/api/runs", {"workflow": "waits"}, tag, "secret")
            history = self.server.http_json(self.server.http, f"/api/runs/{answer['run']}/history")["history"]
            self.assertEqual(history[0]["facts"][0]["actor"], tag)


if __name__ == "__main__":
    unittest.main()
