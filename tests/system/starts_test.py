"""Runs that start by themselves, by events and by calls, on the real server with both stores, killed where it hurts: what
was told or asked starts one run, and whoever asked is answered once the server is back."""
import contextlib
import json
import re
import subprocess
import time
import unittest
import uuid

import pika

import baton
import postgres

LEAVER = """
workflow = "leaver"
[input]
email = { type = "string", format = "email", required = true }
days = { type = "integer", default = 1 }
[[on]]
event = "hr.*.left"
source = "/hr"
when = "event.data.email != ''"
input = "${event.data}"
[[step]]
id = "note"
set = { email = "${input.email}" }
[output]
email = "${note.email}"
"""

# Starts by what the first one tells.
ECHO = """
workflow = "echo"
[input]
of = { type = "string", required = true }
[[on]]
event = "ping.#"
input = { of = "${event.id}" }
[[step]]
id = "pong"
emit = { type = "pong", data = { of = "${input.of}" } }
"""
CHAIN = """
workflow = "chain"
[input]
of = { type = "string", required = true }
[[on]]
event = "pong"
input = "${event.data}"
[[step]]
id = "note"
set = { of = "${input.of}" }
[output]
of = "${note.of}"
"""

INCIDENT = """
workflow = "incident"
[input]
service = { type = "string", required = true }
[[on]]
rpc = "incident.open"
[[step]]
id = "ticket"
task = "starts.ticket"
with = { service = "${input.service}" }
[[step]]
id = "answer"
reply = { ticket = "${ticket.id}" }
[[step]]
id = "page"
signal = "seen"
"""

SUMS = """
workflow = "sums"
[input]
a = { type = "integer", required = true }
b = { type = "integer", required = true }
[[on]]
rpc = "sum"
[[step]]
id = "judge"
when = "input.b == 13"
fail = { error = "unlucky", message = "not today" }
[[step]]
id = "sum"
set = { sum = "${input.a + input.b}" }
[output]
sum = "${sum.sum}"
"""

SLOW = """
workflow = "slow"
[[on]]
rpc = "slow"
timeout = "2s"
input = { who = "${event.user}" }
[input]
who = { type = "string", required = true }
[[step]]
id = "wait"
signal = "go"
"""


class Client:
    """A plain program with a queue for its answers."""

    def __init__(self, url):
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.answers = self.channel.queue_declare("answers-" + str(uuid.uuid4()), durable=True).method.queue

    def again(self, url):
        """The server was killed; the queue is there."""
        with contextlib.suppress(pika.exceptions.AMQPError):
            self.connection.close()
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()

    def ask(self, name, body, correlation_id="", **properties):
        self.channel.confirm_delivery()
        self.channel.basic_publish("baton.rpc", name, body if isinstance(body, bytes) else json.dumps(body).encode(),
                                   pika.BasicProperties(reply_to=self.answers, correlation_id=correlation_id, delivery_mode=2, **properties))

    def hear(self, seconds=60):
        """(correlation_id, type, body) of the next answer; nothing within the time: None."""
        for method, properties, body in self.channel.consume(self.answers, auto_ack=True, inactivity_timeout=seconds):
            self.channel.cancel()
            return (properties.correlation_id, properties.type, json.loads(body)) if method else None

    def call(self, name, body, **properties):
        correlation = str(uuid.uuid4())
        self.ask(name, body, correlation, **properties)
        heard = self.hear()
        assert heard and heard[0] == correlation, heard
        return heard[1:]


class StartsTest(unittest.TestCase):
    def serve(self, is_shared, *workflows, **env):
        env.setdefault("BATON_BROKER_USERS", "guest:guest")
        if is_shared:
            database = postgres.Postgres()
            self.addCleanup(database.close)
            env["BATON_DB_URL"] = database.url
        self.server = baton.Server(env=env).start()
        self.addCleanup(self.server.close)
        for source in workflows:
            self.server.deploy(source)

    def restart(self):
        self.server.kill()
        self.server.start()

    def url(self):
        return self.server.env["BATON_AMQP"]

    def ask(self, path, body=None, **how):
        return self.server.http_json(self.server.http, path, body, **how)

    def runs(self, workflow):
        return self.ask(f"/api/runs?workflow={workflow}&limit=1000")

    def tell(self, key, events):
        """Each (id, source, data), confirmed by the broker."""
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url()))) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for number, source, data in events:
                body = {"specversion": "1.0", "id": number, "source": source, "type": key, "data": data}
                channel.basic_publish("baton.event", key, json.dumps(body).encode(),
                                      pika.BasicProperties(content_type="application/cloudevents+json", delivery_mode=2))

    def queue_is_empty(self, queue):
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url()))) as connection:
            return connection.channel().queue_declare(queue, passive=True).method.message_count == 0

    def check_events(self, is_shared):
        self.serve(is_shared, LEAVER, ECHO, CHAIN)
        told = [(f"e{n}", "/hr", {"email": f"user{n}@x.org"}) for n in range(60)]
        self.tell("hr.employee.left", told[:20])
        self.restart()  # some are runs, some are messages
        self.tell("hr.employee.left", told[:40])  # again, and others
        self.tell("hr.employee.left", [("e1", "/elsewhere", {"email": "eve@x.org"}), ("none", "/hr", {"email": ""})])
        self.tell("hr.employee.hired", [("e1", "/hr", {"email": "eve@x.org"})])
        time.sleep(0.2)
        self.restart()
        self.tell("hr.pensioner.left", told[40:])
        self.tell("ping.once", [(f"p{n}", "/test", {}) for n in range(5)] * 2)
        self.restart()

        baton.wait_for(lambda: len(self.runs("leaver")) >= 60 and len(self.runs("chain")) >= 5, "all are started", timeout=100)
        baton.wait_for(lambda: self.queue_is_empty("baton.event"), "all are heard", timeout=60)
        self.restart()  # what was not acknowledged comes once more
        baton.wait_for(lambda: self.queue_is_empty("baton.event"), "all are heard", timeout=60)
        done = lambda: all(one["status"] == "completed" for one in self.runs("leaver") + self.runs("chain")) and self.runs("leaver")
        rows = [self.ask("/api/runs/" + one["id"]) for one in baton.wait_for(done, "all are done", timeout=60)]
        self.assertEqual(sorted(one["output"]["email"] for one in rows), sorted(f"user{n}@x.org" for n in range(60)))
        self.assertEqual({one["requests"][0]["actor"] for one in rows}, {"event hr.employee.left", "event hr.pensioner.left"})
        chained = [self.ask("/api/runs/" + one["id"])["output"]["of"] for one in self.runs("chain")]
        self.assertEqual(sorted(chained), [f"p{n}" for n in range(5)])

        with self.subTest("what does not fit"):
            self.tell("hr.employee.left", [("bad", "/hr", {"email": "late@x.org", "days": "seven"})])
            letter = baton.wait_for(lambda: self.ask("/api/dead"), "the event is a dead letter")[0]
            self.assertEqual((letter["reason"], letter["task"]), ("unfit_event", "baton.event"), letter)
            self.assertIn("leaver: input.days", json.dumps(self.ask(f"/api/dead/{letter['id']}")))
            self.server.deploy(LEAVER.replace('"integer", default = 1', '"string", default = "1"'))
            self.server.baton("dead", "redrive", str(letter["id"]), check=0)
            baton.wait_for(lambda: len(self.runs("leaver")) == 61, "it starts what it did not start", timeout=60)

    def serve_tickets(self, seconds=0.0):
        """A worker that opens tickets: one task."""
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url()))) as connection:
            channel = connection.channel()
            for method, properties, body in channel.consume("baton.task.starts.ticket", inactivity_timeout=60):
                self.assertIsNotNone(method, "no task came")
                time.sleep(seconds)
                channel.basic_publish("", properties.reply_to, json.dumps({"id": len(json.loads(body)["service"])}).encode(),
                                      pika.BasicProperties(type="completed", correlation_id=properties.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)
                channel.cancel()
                return

    def check_calls(self, is_shared):
        self.serve(is_shared, INCIDENT, SUMS, SLOW)
        client = Client(self.url())
        self.assertEqual(client.call("sum", {"a": 2, "b": 3}), ("completed", {"sum": 5}))
        kind, problem = client.call("sum", {"a": 2, "b": 13})
        self.assertEqual((kind, problem["type"], problem["detail"], problem["data"]["status"]), ("failed", "unlucky", "not today", "failed"))
        for name, body, wanted in (("sum", {"a": 2}, "baton.bad_input"), ("sum", b"\xff", "baton.bad_input"), ("sum", [1], "baton.bad_input"),
                                   ("smu", {}, "baton.unknown_rpc")):
            kind, problem = client.call(name, body)
            self.assertEqual((kind, problem["type"]), ("failed", wanted), problem)
            self.assertTrue(problem["detail"] and problem["status"])
        client.ask("sum", {"a": 1, "b": 1})  # which could not be known again
        self.assertEqual(client.hear()[2]["type"], "baton.bad_request")

        with self.subTest("answered early, killed in between"):
            client.ask("incident.open", {"service": "shop"}, "c1")
            self.restart()
            client.again(self.url())
            client.ask("incident.open", {"service": "shop"}, "c1")  # the caller does not know either
            self.restart()
            client.again(self.url())
            self.serve_tickets()
            self.assertEqual(client.hear(), ("c1", "completed", {"ticket": 4}))
            runs = self.runs("incident")
            self.assertEqual([one["status"] for one in runs], ["running"])
            self.assertIsNone(client.hear(1))

        with self.subTest("one that was answered"):
            self.server.baton("signal", runs[0]["id"], "seen", check=0)
            baton.wait_for(lambda: self.runs("incident")[0]["status"] == "completed", "it ends")
            client.ask("incident.open", {"service": "shop"}, "c1")
            self.assertEqual(client.hear()[2]["type"], "baton.duplicate")
            self.assertEqual(len(self.runs("incident")), 1)

        with self.subTest("too late"):
            kind, problem = client.call("slow", {}, user_id="guest")
            self.assertEqual((kind, problem["type"], problem["status"]), ("failed", "baton.no_answer_in_time", 504))
            run = problem["data"]["run"]
            self.assertEqual((self.ask("/api/runs/" + run)["input"], self.ask("/api/runs/" + run)["status"]), ({"who": "guest"}, "running"))
            self.server.baton("signal", run, "go", check=0)
            baton.wait_for(lambda: self.ask("/api/runs/" + run)["status"] == "completed", "it ends")
            self.assertIsNone(client.hear(1))
            client.ask("slow", {}, "c9")
            self.restart()  # the limit is the run's, and outlives the server
            client.again(self.url())
            self.assertEqual(client.hear()[::2][0], "c9")

        with self.subTest("a name is one workflow's"):
            path = self.server.home / "second.toml"
            path.write_text(SUMS.replace('"sums"', '"second"'))
            self.assertIn("the rpc 'sum' is answered by the workflow 'sums' already", self.server.baton("deploy", str(path)).stderr)

        with self.subTest("the program of the page"):
            page = (baton.ROOT / "docs" / "workflows.md").read_text()
            program = re.search(r"### By a call.*?^```python\n(.*?)^```", page, re.M | re.S).group(1).replace("incident.open", "sum")
            program = program.replace('{"service": "shop"}', '{"a": 4, "b": 5}')
            done = subprocess.run(["/usr/bin/python3", "-"], input=program, env=self.server.env, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.stdout, done.stderr), ("completed b'{\"sum\":9}'\n", ""))

    # Where the run is stored and the message is not acknowledged, the broker brings it again.
    def check_points(self, is_shared):
        self.serve(is_shared, LEAVER, SUMS)
        for point in ("engine.before_commit", "engine.after_commit", "messaging.before_ack"):
            with self.subTest(point):
                before = len(self.runs("leaver")), len(self.runs("sums"))
                self.server.stop()
                self.server.env["TEST_FAIL_POINT"] = point + ":1"
                self.server.start(healthy=False)
                client = Client(self.url())
                with contextlib.suppress(pika.exceptions.AMQPError, OSError):
                    client.ask("sum", {"a": 1, "b": 2}, point)
                    self.tell("hr.employee.left", [(point, "/hr", {"email": "ada@x.org"})])
                baton.wait_for(lambda: self.server.process.poll() is not None, "it dies at the point")
                del self.server.env["TEST_FAIL_POINT"]
                self.server.start()
                self.tell("hr.employee.left", [(point, "/hr", {"email": "ada@x.org"})])  # nobody confirmed the first
                client.again(self.url())
                client.ask("sum", {"a": 1, "b": 2}, point)
                self.assertEqual(client.hear(), (point, "completed", {"sum": 3}))
                baton.wait_for(lambda: self.queue_is_empty("baton.event") and self.queue_is_empty("baton.rpc"), "all is heard")
                baton.wait_for(lambda: (len(self.runs("leaver")), len(self.runs("sums"))) >= (before[0] + 1, before[1] + 1), "they began")
                time.sleep(0.5)
                self.assertEqual((len(self.runs("leaver")), len(self.runs("sums"))), (before[0] + 1, before[1] + 1))

    def test_events_sqlite(self):
        self.check_events(False)

    def test_events_postgres(self):
        self.check_events(True)

    def test_calls_sqlite(self):
        self.check_calls(False)

    def test_calls_postgres(self):
        self.check_calls(True)

    def test_killed_at_each_point_sqlite(self):
        self.check_points(False)

    def test_killed_at_each_point_postgres(self):
        self.check_points(True)


if __name__ == "__main__":
    unittest.main()
