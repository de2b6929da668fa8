"""Steps that are repeated, on the real server with both stores, killed while they go on: each item is done
under one key, none is forgotten, and never more of them at once than there may be."""
import collections
import json
import threading
import time
import unittest

import pika

import baton
import postgres

TEAM = """
workflow = "team"
[input]
people = { type = "array", required = true }
[[step]]
id = "people"
for_each = "input.people"
as = "person"
max_parallel = 7
[[step.do]]
id = "box"
task = "repeat.box"
with = { name = "${person}" }
[[step.do]]
id = "letter"
task = "repeat.letter"
with = { name = "${person}", box = "${box.number}" }
[output]
total = "${people.total}"
succeeded = "${people.succeeded}"
last = "${people.results[people.total - 1].letter.name}"
"""

PAGES = """
workflow = "pages"
[[step]]
id = "pages"
until = "fetch.number >= 40"
[[step.do]]
id = "fetch"
task = "repeat.count"
with = { after = "${default(pages.fetch.number, 0)}" }
[output]
iterations = "${pages.iterations}"
number = "${pages.last.fetch.number}"
"""


class Worker(threading.Thread):
    """Performs all three tasks, once per key as a worker must, and comes back when the server does."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url = url
        self.done = {}
        self.calls = collections.Counter()
        self.stopping = False
        self.start()

    def run(self):
        while not self.stopping:
            try:
                self.serve()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.05)

    def serve(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=20)
        for task in ("box", "letter", "count"):
            channel.basic_consume("baton.task.repeat." + task, self.perform)
        while not self.stopping:
            connection.process_data_events(0.1)
        connection.close()

    def perform(self, channel, method, task, body):
        given = json.loads(body)
        key = task.headers["baton-idempotency-key"]
        self.calls[key] += 1
        if key not in self.done:
            if method.routing_key.endswith("count"):
                self.done[key] = {"number": given["after"] + 1}
            else:
                self.done[key] = {"number": len(self.done), "name": given["name"]}
        channel.basic_publish("", task.reply_to, json.dumps(self.done[key]).encode(), pika.BasicProperties(
            type="completed", correlation_id=task.correlation_id, delivery_mode=2))
        channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.stopping = True
        self.join(20)


class RepeatTest(unittest.TestCase):
    def serve(self, env=None):
        self.server = baton.Server(env=env).start()
        self.addCleanup(self.server.close)
        self.server.deploy(TEAM)
        self.server.deploy(PAGES)
        self.worker = Worker(self.server.env["BATON_AMQP"])
        self.addCleanup(self.worker.stop)

    def run_through(self, workflow, given, kills):
        started = self.server.http_json(self.server.http, "/api/runs", {"workflow": workflow, "input": given})
        for _ in range(kills):
            time.sleep(0.4)
            self.server.kill()
            self.server.start()

        def ended():
            row = self.server.http_json(self.server.http, f"/api/runs/{started['run']}/history?after=1000000")
            self.assertIn(row["status"], ("running", "completed"), row)
            return row["status"] == "completed" and row
        return started["run"], baton.wait_for(ended, "the run completes", timeout=120)["output"]

    def check_team(self, count, kills):
        names = [f"person {n}" for n in range(count)]
        run, output = self.run_through("team", {"people": names}, kills)
        self.assertEqual(output, {"total": count, "succeeded": count, "last": names[-1]})
        keys = {key for key in self.worker.done if key.startswith(run)}
        self.assertEqual(keys, {f"{run}/people[{n}].{step}" for n in range(count) for step in ("box", "letter")})
        shown = self.server.http_json(self.server.http, f"/api/runs/{run}")
        open_now, most = set(), 0
        for entry in shown["history"]:
            for fact in entry["facts"]:
                if fact["fact"] == "item_started":
                    open_now.add(fact["step"])
                if fact["fact"] == "item_closed":
                    open_now.remove(fact["step"])
                most = max(most, len(open_now))
        self.assertEqual((most, open_now), (7, set()))
        steps = [step["step"] for step in shown["steps"]]
        self.assertEqual(steps[:5], ["people", "people[0]", "people[0].box", "people[0].letter", "people[1]"])

    def check_pages(self, kills):
        run, output = self.run_through("pages", {}, kills)
        self.assertEqual(output, {"iterations": 40, "number": 40})
        self.assertEqual({key for key in self.worker.done if key.startswith(run)},
                         {f"{run}/pages[{n}].fetch" for n in range(40)})

    def test_sqlite(self):
        self.serve()
        self.check_team(300, kills=3)
        self.check_pages(kills=2)

    def test_postgres(self):
        database = postgres.Postgres()
        self.addCleanup(database.close)
        self.serve({"BATON_DB_URL": database.url})
        self.check_team(300, kills=3)
        self.check_pages(kills=2)


if __name__ == "__main__":
    unittest.main()
