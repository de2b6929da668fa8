"""Waiting is not failing: tasks that wait for a busy worker, for one that is away or for the server itself
use up no attempt and no time-out."""
import json
import threading
import time
import unittest

import pika

import baton

WORKFLOW = """
workflow = "w"
[input]
n = { type = "integer", required = true }
[[step]]
id = "a"
task = "waiting.x"
with = { n = "${input.n}" }
timeout = "2s"
retry = { max_attempts = 1 }
[output]
n = "${a.n}"
"""


class Worker:
    """Takes many tasks at once and performs one after the other, as an unaware worker does."""

    def __init__(self, server, seconds, says_started):
        self.server, self.seconds, self.says_started = server, seconds, says_started
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.channel = self.connection.channel()
        self.channel.basic_qos(prefetch_count=1000)
        self.channel.basic_consume("baton.task.waiting.x", self.perform)
        self.channel.start_consuming()

    def perform(self, channel, method, task, body):
        def report(kind, content):
            channel.basic_publish("", task.reply_to, json.dumps(content).encode(), pika.BasicProperties(
                type=kind, correlation_id=task.correlation_id, delivery_mode=2))
        if self.says_started:
            report("started", {"worker": "one"})
        time.sleep(self.seconds)
        report("completed", {"n": json.loads(body)["n"]})
        channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.connection.add_callback_threadsafe(self.channel.stop_consuming)
        self.thread.join(20)
        self.connection.close()


class WaitingTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def start_runs(self, count):
        for n in range(count):
            self.server.http_json(self.server.http, "/api/runs", {"workflow": "w", "input": {"n": n}})

    def start_worker(self, **how):
        worker = Worker(self.server, **how)
        self.addCleanup(worker.stop)

    def await_completed(self, count):
        def runs():
            found = self.server.http_json(self.server.http, "/api/runs?limit=1000")
            self.assertEqual({run["status"] for run in found} - {"running", "completed"}, set())
            return len(found) == count and all(run["status"] == "completed" for run in found)
        baton.wait_for(runs, "all runs complete", timeout=60)

    def test_a_backlog_longer_than_the_time_out_completes(self):
        for says_started in (True, False):
            with self.subTest(says_started=says_started):
                self.start_runs(60)
                worker = Worker(self.server, seconds=0.08, says_started=says_started)
                self.await_completed(60 if says_started else 120)
                worker.stop()

    def test_a_worker_that_comes_late_finds_its_task(self):
        self.start_runs(3)
        time.sleep(4)
        self.start_worker(seconds=0, says_started=True)
        self.await_completed(3)

    def test_a_server_that_was_away_longer_than_the_time_out_goes_on(self):
        self.start_runs(3)
        self.server.kill()
        time.sleep(3)
        self.server.start()
        time.sleep(3)
        self.start_worker(seconds=0.1, says_started=True)
        self.await_completed(3)


if __name__ == "__main__":
    unittest.main()
