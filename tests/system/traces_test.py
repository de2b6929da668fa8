"""Traces: who starts a run over HTTP or AMQP is the parent of it, its tasks carry the trace to the workers, and a
collector gets the tree of what happened; one that is away, or a server that is killed, changes nothing of the runs."""
import json
import re
import threading
import time
import unittest
import urllib.request
import uuid

import pika

import baton
import collector

STARTER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, PARENT = STARTER.split("-")[1:3]

TWO = """
workflow = "two"
on_failure = "compensate"
[[step]]
id = "make"
task = "traces.make"
compensate = { task = "traces.unmake" }
[[step]]
id = "tell"
task = "traces.tell"
retry = { max_attempts = 2, initial_interval = "10ms" }
"""
CHILD = """
workflow = "outer"
[[step]]
id = "inner"
workflow = "one"
"""
ONE = """
workflow = "one"
[[step]]
id = "make"
task = "traces.make"
"""


class TracesTest(unittest.TestCase):
    def setUp(self):
        self.collector = collector.Collector()
        self.addCleanup(self.collector.close)
        self.server = baton.Server(env={"BATON_TRACE_ENDPOINT": self.collector.url, "BATON_TRACE_HEADERS": "x-key=secret",
                                        "BATON_TRACE_SERVICE": "orders"})
        self.addCleanup(self.server.close)
        self.tasks, self.answers, self.names = [], {}, ["make"]

    def start(self, *workflows):
        if TWO in workflows:
            self.names = ["make", "unmake", "tell"]
        self.server.start()
        for workflow in workflows:
            self.server.deploy(workflow)
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        """Answers tasks as `answers` says, and notes their traces."""
        channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()

        def perform(channel, method, task, body):
            headers = task.headers
            self.tasks.append((headers.get("baton-step"), headers.get("traceparent"), headers.get("tracestate")))
            kind, said = self.answers.get(headers.get("baton-step"), ("completed", {}))
            channel.basic_publish("", task.reply_to, json.dumps(said), pika.BasicProperties(
                type=kind, correlation_id=task.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)
        for name in self.names:
            channel.basic_consume(f"baton.task.traces.{name}", perform)
        channel.start_consuming()

    def post(self, path, body, **headers):
        request = urllib.request.Request(self.server.env["BATON_URL"] + path, json.dumps(body).encode(), {
            "Content-Type": "application/json", "Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q=", **headers})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def run_to_end(self, run):
        return baton.wait_for(lambda: (shown := self.server.http_json(self.server.http, f"/api/runs/{run}"))["status"] in (
            "completed", "failed", "compensated", "cancelled", "timed_out") and shown, "the run ends", 60)

    def tree(self, trace, count):
        baton.wait_for(lambda: len(self.collector.of(trace)) >= count, f"{count} spans", 60)
        self.assertEqual(self.collector.wrong, [])
        return self.collector.tree(trace)

    def test_a_run_is_one_tree_below_who_started_it(self):
        self.answers = {"tell": ("failed", {"type": "no_such_channel", "detail": "gone"})}
        self.start(TWO)
        run = self.post("/baton/v1/runs", {"workflow": "two"}, traceparent=STARTER, tracestate="vendor=1")["run"]
        self.assertEqual(self.run_to_end(run)["status"], "compensated")

        make, unmake, tell = ("publish baton.task:traces." + name for name in ("make", "unmake", "tell"))
        self.assertEqual(self.tree(TRACE, 10), sorted([
            ("POST /baton/v1/runs", PARENT), ("run two", "POST /baton/v1/runs"), ("step make", "run two"), (make, "step make"), ("step tell", "run two"), (tell, "step tell"),
            ("step tell", "run two"), (tell, "step tell"), ("undo make", "run two"), (unmake, "undo make")]))
        spans = {one["spanId"]: one for one in self.collector.of(TRACE)}
        # The worker goes on below the message that it got.
        self.assertEqual([step for step, _, _ in self.tasks], ["make", "tell", "tell", "make:undo"])
        for step, traceparent, tracestate in self.tasks:
            version, trace, span, flags = traceparent.split("-")
            self.assertEqual((version, trace, flags, tracestate), ("00", TRACE, "01", "vendor=1"))
            self.assertTrue(spans[span]["name"].startswith("publish "), spans[span])
            self.assertEqual(spans[span]["kind"], 4)
        # What went wrong is said where it did.
        failed = [one for one in spans.values() if one["name"] == "step tell"]
        self.assertEqual({one["is"]["error.type"] for one in failed}, {"no_such_channel"})
        self.assertEqual({one["status"]["message"] for one in failed}, {"gone"})
        self.assertEqual({one["is"]["baton.attempt"] for one in failed}, {"1", "2"})
        [whole] = [one for one in spans.values() if one["name"] == "run two"]
        self.assertEqual((whole["is"]["baton.run.id"], whole["is"]["baton.run.status"], whole["status"]["code"], whole["traceState"]),
                         (run, "compensated", 2, "vendor=1"))
        publish = next(one for one in spans.values() if one["name"] == tell)["is"]
        self.assertEqual((publish["messaging.system"], publish["messaging.operation.type"], publish["messaging.destination.name"]),
                         ("rabbitmq", "send", "baton.task:traces.tell"))
        # Times are real: what is inside is inside.
        for one in spans.values():
            if one["parentSpanId"] in spans and one["kind"] == 1:
                self.assertGreaterEqual(int(one["startTimeUnixNano"]), int(whole["startTimeUnixNano"]))
                self.assertLessEqual(int(one["endTimeUnixNano"]), int(whole["endTimeUnixNano"]))
        self.assertEqual(self.collector.headers[0]["x-key"], "secret")
        self.assertEqual(self.collector.services, {"orders"})

    def test_without_a_starter_the_run_s_id_is_the_trace_also_of_the_runs_inside_it(self):
        self.start(ONE, CHILD)
        run = self.server.baton("run", "outer", "--detach", check=0).stdout.strip()
        self.run_to_end(run)
        trace = run.replace("-", "")

        self.assertEqual(self.tree(trace, 5), sorted([
            ("run outer", ""), ("step inner", "run outer"), ("run one", "step inner"), ("step make", "run one"),
            ("publish baton.task:traces.make", "step make")]))
        self.assertEqual(self.tasks[0][1].split("-")[1], trace)

    def test_the_trace_comes_and_goes_by_amqp(self):
        self.start(ONE)
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        connection.channel().basic_publish("baton.rpc", "run.start", json.dumps({"workflow": "one"}), pika.BasicProperties(
            user_id="guest", message_id=str(uuid.uuid4()), headers={"traceparent": STARTER, "tracestate": "vendor=1"}))

        self.assertEqual(self.tree(TRACE, 3), sorted([
            ("run one", PARENT), ("step make", "run one"), ("publish baton.task:traces.make", "step make")]))
        self.assertEqual(self.tasks[0][1].split("-")[1], TRACE)
        # A task that is called without a workflow has it, too, whoever asks for the answer.
        self.answers = {None: ("completed", {})}
        self.assertEqual(self.post("/api/call", {"task": "traces.make"}, traceparent=STARTER), {"completed": True, "result": {}})
        baton.wait_for(lambda: [one for one in self.collector.of(TRACE) if one["name"] == "POST /api/call"], "the request is told")
        [asked] = [one for one in self.collector.of(TRACE) if one["name"] == "POST /api/call"]
        self.assertEqual((asked["kind"], asked["parentSpanId"], asked["is"]["http.response.status_code"]), (2, PARENT, "200"))
        self.assertEqual(self.tasks[1][1], f"00-{TRACE}-{asked['spanId']}-01")

    def test_what_an_event_or_a_call_starts_is_in_its_trace(self):
        self.start(ONE, ONE.replace('"one"', '"by_event"') + '[[on]]\nevent = "traces.told"\ninput = {}\n',
                   ONE.replace('"one"', '"by_call"') + '[[on]]\nrpc = "traces.call"\n',
                   'workflow = "tells"\n[[step]]\nid = "tell"\nemit = { type = "traces.told" }\n')
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        other = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
        third = "00-" + "3" * 32 + "-" + "4" * 16 + "-01"
        made = "publish baton.task:traces.make"
        channel.basic_publish("baton.rpc", "traces.call", b"{}", pika.BasicProperties(
            user_id="guest", message_id=str(uuid.uuid4()), headers={"traceparent": STARTER}))
        self.assertEqual(self.tree(TRACE, 3), sorted([("run by_call", PARENT), ("step make", "run by_call"), (made, "step make")]))
        channel.basic_publish("baton.event", "traces.told", b"{}", pika.BasicProperties(
            message_id=str(uuid.uuid4()), headers={"traceparent": other}))
        self.assertEqual(self.tree("1" * 32, 3), sorted([("run by_event", "2" * 16), ("step make", "run by_event"), (made, "step make")]))
        channel.basic_publish("baton.event", "x", json.dumps({"specversion": "1.0", "id": str(uuid.uuid4()), "source": "s", "type": "traces.told",
                                                              "traceparent": third}).encode(),
                              pika.BasicProperties(content_type="application/cloudevents+json"))
        self.assertEqual(self.tree("3" * 32, 3), sorted([("run by_event", "4" * 16), ("step make", "run by_event"), (made, "step make")]))
        # What a run tells is in the run's trace, and so is what that starts.
        run = self.server.baton("run", "tells", "--detach", check=0).stdout.strip()
        self.assertEqual(self.tree(run.replace("-", ""), 4), sorted([
            ("run tells", ""), ("run by_event", "run tells"), ("step make", "run by_event"), (made, "step make")]))

    WAITS = """
workflow = "waits"
[[step]]
id = "short"
wait = "10ms"
[[step]]
id = "go"
signal = "go"
[[step]]
id = "never"
when = "false"
signal = "never"
[[step]]
id = "patience"
signal = "nothing"
timeout = "100ms"
"""

    def test_what_a_run_waits_for_has_a_span_also_when_the_server_was_killed_meanwhile(self):
        self.names = []
        self.server.start()
        self.server.deploy(self.WAITS)
        run = self.post("/baton/v1/runs", {"workflow": "waits"}, traceparent=STARTER)["run"]
        baton.wait_for(lambda: ("go", "sleeping") in [(one["step"], one["status"]) for one in self.server.http_json(
            self.server.http, f"/api/runs/{run}")["steps"]], "it waits")
        time.sleep(0.5)
        self.server.kill()
        self.server.start()
        self.server.http_json(self.server.http, f"/api/runs/{run}/signal", {"name": "go"})
        self.assertEqual(self.run_to_end(run)["status"], "failed")
        baton.wait_for(lambda: any(one["name"] == "run waits" for one in self.collector.of(TRACE)), "the run is told")
        spans = {one["name"]: one for one in self.collector.of(TRACE)}
        self.assertNotIn("wait never", spans)
        self.assertEqual((spans["wait go"]["is"]["baton.wait"], spans["wait go"]["parentSpanId"]), ("signal", spans["run waits"]["spanId"]))
        waited = int(spans["wait go"]["endTimeUnixNano"]) - int(spans["wait go"]["startTimeUnixNano"])
        self.assertGreater(waited, 500_000_000, "since it began to wait")
        self.assertEqual(spans["wait patience"]["status"]["code"], 2)
        if "wait short" in spans:  # the killed server may not have told it
            self.assertEqual(spans["wait short"]["is"]["baton.wait"], "timer")

    def test_what_the_starter_does_not_record_is_recorded_by_nobody(self):
        self.start(ONE)
        run = self.post("/baton/v1/runs", {"workflow": "one"}, traceparent=STARTER[:-1] + "0")["run"]
        self.run_to_end(run)
        other = self.server.baton("run", "one", "--detach", check=0).stdout.strip()
        self.run_to_end(other)

        self.tree(other.replace("-", ""), 3)
        self.assertEqual(self.collector.of(TRACE), [])
        self.assertEqual(self.tasks[0][1].split("-")[1::2], [TRACE, "00"])

    def test_a_killed_server_changes_nothing_of_the_trace(self):
        self.start(ONE)
        self.answers = {"make": ("started", {})}  # and never done
        run = self.post("/baton/v1/runs", {"workflow": "one"}, traceparent=STARTER)["run"]
        baton.wait_for(lambda: self.tasks, "the worker has it")
        self.server.kill()
        self.server.start()
        baton.wait_for(lambda: self.server.http_json(self.server.http, f"/api/runs/{run}")["status"] == "running", "it goes on")
        self.server.baton("cancel", run, check=0)
        self.run_to_end(run)

        names = [name for name, _ in self.tree(TRACE, 3)]
        self.assertIn("run one", names)
        self.assertIn("step make", names)
        [step] = [one for one in self.collector.of(TRACE) if one["name"] == "step make"]
        [whole] = [one for one in self.collector.of(TRACE) if one["name"] == "run one"]
        self.assertEqual(step["parentSpanId"], whole["spanId"])
        self.assertLess(int(step["startTimeUnixNano"]), int(step["endTimeUnixNano"]), "it began before the server was killed")

    def test_a_collector_that_is_away_costs_spans_and_no_run(self):
        self.collector.answer = 503
        self.start(ONE)
        runs = [self.server.baton("run", "one", "--detach", check=0).stdout.strip() for _ in range(5)]
        for run in runs:
            self.assertEqual(self.run_to_end(run)["status"], "completed")
        baton.wait_for(lambda: self.collector.posts, "it was asked")
        self.assertIn("the collector does not take spans", self.server.log())
        metrics = self.metrics()
        self.assertEqual(metrics["baton_otlp_spans_exported_total"], 0)

        self.collector.answer = 200
        for run in runs:
            self.assertEqual(len(self.tree(run.replace("-", ""), 3)), 3)
        self.collector.answer = 400  # never again
        self.run_to_end(self.server.baton("run", "one", "--detach", check=0).stdout.strip())
        baton.wait_for(lambda: self.metrics()["baton_otlp_spans_dropped_total"] >= 3, "what is refused is counted")
        began = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - began, 15)

    def metrics(self):
        request = urllib.request.Request(self.server.env["BATON_URL"] + "/metrics", headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in re.findall(r"^(baton_[a-z_]+) (\S+)$", text, re.M)}


if __name__ == "__main__":
    unittest.main()
