"""A target that lets no worker in (a wrong key, "come back later") costs no attempt and undoes nobody; the
other workers and the operator hear of it."""
import json
import subprocess
import threading
import time
import unittest

import pika

import baton

WORKFLOW = """
workflow = "w"
on_failure = "compensate"
[[step]]
id = "a"
task = "held.x"
retry = { max_attempts = 1, non_retryable = ["unauthorized"] }
"""


class HeldTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)
        self.lets_in = False
        self.calls = []
        self.heard = []
        threading.Thread(target=self.work, daemon=True).start()
        threading.Thread(target=self.hear, daemon=True).start()

    def connect(self):
        return pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()

    def work(self):
        channel = self.connect()
        channel.basic_qos(prefetch_count=1)

        def perform(channel, method, task, body):
            self.calls.append(time.time())
            kind, said = "completed", {}
            if not self.lets_in:
                kind, said = "failed", {"type": "unauthorized", "detail": "the key is wrong", "attempt": False,
                                        "retry_after": 2}
            channel.basic_publish("", task.reply_to, json.dumps(said), pika.BasicProperties(
                type=kind, correlation_id=task.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)
        channel.basic_consume("baton.task.held.x", perform)
        channel.start_consuming()

    def hear(self):
        channel = self.connect()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "baton.control", "hold.held.x")
        channel.basic_consume(queue, lambda c, m, p, body: self.heard.append(json.loads(body)), auto_ack=True)
        self.hears = True
        channel.start_consuming()

    def workers(self):
        return self.server.http_json(self.server.http, "/api/health")["parts"]["workers"]

    def test_what_the_target_does_not_let_in_is_no_attempt(self):
        baton.wait_for(lambda: getattr(self, "hears", False), "the other worker listens")
        self.server.baton("run", "w", "--detach", check=0)
        baton.wait_for(lambda: len(self.calls) >= 2, "it is tried again")
        self.assertGreater(self.calls[1] - self.calls[0], 1.9)
        [run] = self.server.http_json(self.server.http, "/api/runs")
        self.assertEqual(run["status"], "running")
        self.assertIn("held.x is held back", self.workers())
        self.assertIn("the key is wrong", self.workers())
        self.assertEqual(self.heard[0]["attempt"], False)
        self.assertLessEqual(self.heard[0]["retry_after"], 2)
        self.assertIn("no worker can try these tasks", self.server.log())

        self.assertIn("its target lets no worker try (unauthorized: the key is wrong), since",
                      self.server.baton("why", run["id"], check=0).stdout)

        self.lets_in = True
        baton.wait_for(lambda: self.server.http_json(self.server.http, "/api/runs")[0]["status"] == "completed",
                       "it goes on by itself")
        self.assertNotIn("held back", self.workers())
        self.assertIn("the run is completed, since", self.server.baton("why", run["id"], check=0).stdout)
        self.assertEqual(self.server.http_json(self.server.http, "/api/tasks/held.x"),
                         {"task": "held.x", "queue": True, "waiting": 0, "workers": 1})


class UnservedTest(unittest.TestCase):
    """Nobody serves a task: whoever waits for it is told at once."""

    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def test_run_and_call_say_at_once_that_nobody_serves_a_task(self):
        began = time.time()
        called = self.server.baton("call", "held.x", "--timeout", "1s")
        self.assertIn("no worker serves held.x just now", called.stderr)
        self.assertLess(time.time() - began, 10)
        self.assertIn("there is no queue for no.such", self.server.baton("call", "no.such", "--timeout", "1s").stderr)

        run = self.server.baton("run", "w", "--detach", check=0).stdout.strip()
        reasons = self.server.json("why", run)["reasons"]
        self.assertEqual(len(reasons), 1)
        self.assertIn("a: no worker serves held.x just now (1 tasks wait)", reasons[0]["step"] + ": " + reasons[0]["sentence"])
        self.assertEqual(reasons[0]["code"], "no_consumer")

        following = subprocess.Popen([baton.EXE, "run", "w"], env=self.server.env, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertIn("no worker serves held.x just now", following.stderr.readline())
        finally:
            following.kill()
            following.communicate()


if __name__ == "__main__":
    unittest.main()
