"""Workflows deployed and runs started over AMQP, by plain pika: what is answered, who may, that a request which
comes twice starts one run, and that the end is told to whoever asked for it."""
import base64
import http.client
import json
import unittest
import uuid

import pika

import baton

WORKFLOW = """
workflow = "greet"
[input]
name = { type = "string", required = true }
[[step]]
id = "text"
set = { greeting = "Hello ${input.name}" }
[output]
greeting = "${text.greeting}"
"""
WAITS = WORKFLOW.replace("greet\"", "waits\"", 1).replace("[output]", "[[step]]\nid = \"nobody\"\ntask = \"requests.nobody\"\n[output]")


class Program:
    """One user's connection with a queue for the answers."""

    def __init__(self, server, user):
        self.user = user
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", server.amqp, credentials=pika.PlainCredentials(user, user)))
        self.channel = self.connection.channel()
        self.answers = self.channel.queue_declare("", exclusive=True).method.queue

    def ask(self, name, body, correlation="", headers=None, **properties):
        properties = {"user_id": self.user, "message_id": str(uuid.uuid4()), **properties}
        self.channel.basic_publish("baton.rpc", name, body if isinstance(body, bytes) else json.dumps(body).encode(),
                                   pika.BasicProperties(reply_to=self.answers, correlation_id=correlation, headers=headers,
                                                        delivery_mode=2, **properties))

    def hear(self, seconds=30):
        """(type, status, body, correlation_id) of the next answer."""
        for method, properties, body in self.channel.consume(self.answers, auto_ack=True, inactivity_timeout=seconds):
            if method is None:
                raise AssertionError("no answer")
            return properties.type, properties.headers["baton-status"], json.loads(body), properties.correlation_id

    def call(self, name, body, **properties):
        self.ask(name, body, **properties)
        kind, status, answer, _ = self.hear()
        assert kind == "answer", kind
        return status, answer


class RequestsTest(baton.ServerTest):
    env = {"BATON_BROKER_USERS": "guest:guest,deployer[baton-deployer]:deployer,operator[baton-operator]:operator,"
                                 "viewer[baton-viewer]:viewer,nobody[]:nobody"}

    def program(self, user):
        program = Program(self.server, user)
        self.addCleanup(program.connection.close)
        return program

    def deployed(self):
        status, answer = self.program("deployer").call("workflow.deploy", {"source": WORKFLOW, "file": "greet.toml"})
        self.assertEqual((status // 100, answer["workflow"]), (2, "greet"))

    def runs(self, **_):
        return self.server.http_json(self.server.http, "/api/runs?limit=1000")

    def test_a_workflow_is_deployed_and_a_run_is_started_and_followed_to_its_end(self):
        self.deployed()
        operator = self.program("operator")
        operator.ask("run.start", {"workflow": "greet", "input": {"name": "Ada"}}, correlation="c1", headers={"baton-wait": True})
        kind, status, answer, correlation = operator.hear()
        self.assertEqual((kind, status, answer["new"], correlation), ("answer", 201, True, "c1"))
        kind, status, closed, correlation = operator.hear()
        self.assertEqual((kind, status, correlation), ("closed", 200, "c1"))
        self.assertEqual((closed["run"], closed["status"], closed["output"]), (answer["run"], "completed", {"greeting": "Hello Ada"}))
        # Who asked stands in the history and in the audit log, as over HTTP.
        shown = self.server.http_json(self.server.http, "/api/runs/" + answer["run"])
        self.assertEqual(shown["history"][0]["facts"][0]["actor"], "operator")
        audit = [json.loads(line) for line in (self.server.home / "data" / "audit.jsonl").read_text().splitlines()]
        self.assertIn(("operator", "amqp", "POST /api/runs"), [(act["actor"], act["address"], act["action"]) for act in audit])

    def test_the_end_comes_when_the_run_ends(self):
        self.program("deployer").call("workflow.deploy", {"source": WAITS, "file": "waits.toml"})
        operator = self.program("operator")
        operator.ask("run.start", {"workflow": "waits", "input": {"name": "Ada"}}, headers={"baton-wait": True})
        run = operator.hear()[2]["run"]
        self.assertEqual(operator.call("run.show", {"run": run})[1]["status"], "running")
        self.assertEqual(operator.call("run.cancel", {"run": run, "reason": "a test"})[0], 200)
        kind, _, closed, _ = operator.hear()
        self.assertEqual((kind, closed["run"], closed["status"]), ("closed", run, "cancelled"))

    def http(self, method, path, body=None):
        """As wget and an attacker send it: the path may hold any bytes in %XX."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(), "Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def test_a_name_that_no_task_has_takes_nobody_the_broker_away(self):
        lost = self.server.log().count("no connection to the broker")
        for name in ("%ED%A0%80", "%FF", "a%00b", "x" * 256, "%C3%A9", "a%0Ab"):
            with self.subTest(name=name):
                self.assertEqual(self.http("GET", "/api/tasks/" + name), 200)  # as any task that nobody serves
                self.assertEqual(self.http("GET", "/baton/v1/tasks/" + name), 404)
                self.assertEqual(self.http("POST", f"/baton/v1/tasks/{name}/call", {}), 400)
                for pause in (f"/baton/v1/tasks/{name}/pause", f"/api/tasks/{name}/pause", f"/api/workflows/{name}/pause"):
                    self.assertEqual(self.http("POST", pause, {}), 400, pause)
        for name in ("", "\ud800", "a\0b", "a b", "x" * 4000):
            self.assertEqual(self.http("POST", "/api/call", {"task": name}), 400, repr(name))
        self.assertEqual(self.server.http_json(self.server.http, "/api/health")["parts"]["broker"], "ok")
        self.assertEqual(self.server.log().count("no connection to the broker"), lost, self.server.log())

    def test_only_who_says_yes_waits_for_the_end(self):
        self.deployed()
        operator = self.program("operator")
        body = {"workflow": "greet", "input": {"name": "Ada"}}
        for yes in (True, 1, "true"):
            operator.ask("run.start", body, headers={"baton-wait": yes})
            self.assertEqual([operator.hear()[0] for _ in range(2)], ["answer", "closed"], yes)
        for no in (False, 0, "false", None):
            run = operator.call("run.start", body, headers={"baton-wait": no})[1]["run"]
            baton.wait_for(lambda: self.server.http_json(self.server.http, "/api/runs/" + run)["closed_at"], "it ends")
            # What came for it would stand before this answer.
            operator.ask("run.show", {"run": run})
            self.assertEqual(operator.hear()[0], "answer", no)
        before = len(self.runs())
        for nonsense in ("yes", 2, [True]):
            status, answer = operator.call("run.start", body, headers={"baton-wait": nonsense})
            self.assertEqual((status, answer["error"]), (400, "bad_request"), nonsense)
        self.assertEqual(len(self.runs()), before)

    def test_a_request_that_comes_twice_starts_one_run(self):
        self.deployed()
        operator = self.program("operator")
        before = len(self.runs())
        body = {"workflow": "greet", "input": {"name": "twice"}}
        first = operator.call("run.start", body, message_id="m1")
        again = operator.call("run.start", body, message_id="m1")
        self.assertEqual((first[1]["run"], True, False), (again[1]["run"], first[1]["new"], again[1]["new"]))
        # Another one's message of the same id is another one.
        self.assertTrue(self.program("guest").call("run.start", body, message_id="m1")[1]["new"])
        # Without an id nobody can know.
        status, answer = operator.call("run.start", body, message_id=None)
        self.assertEqual((status, answer["error"]), (400, "bad_request"))
        self.assertTrue(operator.call("run.start", {**body, "key": "k"}, message_id=None)[1]["new"])
        self.assertEqual(len(self.runs()), before + 3)

    def test_who_may_not_is_told_so_and_nobody_is_somebody_else(self):
        self.deployed()
        start = {"workflow": "greet", "input": {"name": "x"}}
        before = len(self.runs())
        for user in ("viewer", "deployer", "nobody"):
            with self.subTest(user=user):
                self.assertEqual(self.program(user).call("run.start", start)[0], 403)
        self.assertEqual(self.program("operator").call("workflow.deploy", {"source": WORKFLOW})[0], 403)
        self.assertEqual(self.program("guest").call("run.start", start, user_id=None)[0], 401)
        thief = self.program("viewer")
        thief.ask("run.start", start, user_id="operator")
        with self.assertRaisesRegex(pika.exceptions.ChannelClosedByBroker, "user_id"):
            thief.hear()
        self.assertEqual(len(self.runs()), before)

    def test_what_is_wrong_is_said(self):
        self.deployed()
        operator = self.program("operator")
        for name, body, status in (("run.strat", {}, 404), ("run.start", b"{", 400), ("run.start", b"[1]", 400),
                                   ("run.start", {"workflow": "greet", "input": {"nam": "x"}}, 422),
                                   ("run.start", {"workflow": "greet", "inptu": {}}, 400),
                                   ("run.start", {"workflow": "none"}, 404),
                                   ("run.show", {"run": "../workflows"}, 400), ("run.show", {}, 400),
                                   ("run.show", {"run": "01900000"}, 404)):
            with self.subTest(name=name, body=body):
                found, answer = operator.call(name, body)
                self.assertEqual(found, status, answer)
                self.assertTrue(answer["reason"])
        # Nobody waits for this answer, and it harms nobody.
        operator.channel.basic_publish("baton.rpc", "run.start", b"\xff\x00", pika.BasicProperties(user_id="operator"))
        self.assertEqual(operator.call("run.start", {"workflow": "greet", "input": {"name": "x"}})[0], 201)

    def test_the_same_request_after_a_crash_is_the_same_run(self):
        self.deployed()
        server = baton.Server(env=self.env).start()
        self.addCleanup(server.close)
        server.deploy(WORKFLOW)
        program = Program(server, "operator")
        self.assertEqual(program.call("run.start", {"workflow": "greet", "input": {"name": "a"}}, message_id="before")[0], 201)
        server.kill()
        server.start()
        program = Program(server, "operator")
        status, answer = program.call("run.start", {"workflow": "greet", "input": {"name": "a"}}, message_id="before")
        self.assertEqual((status, answer["new"]), (200, False))
        program.connection.close()


if __name__ == "__main__":
    unittest.main()
