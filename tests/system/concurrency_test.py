"""Concurrency keys, and pauses of task types and workflows, with the real server killed in between, on both stores."""
import json
import time
import unittest
import urllib.error

import baton
import postgres
import task_queue

ONE = """workflow = "one"
concurrency = {{ key = "input.who", limit = {limit}, on_limit = "{on_limit}" }}
[input]
who = {{ type = "string", required = true }}
[[step]]
id = "a"
task = "one.a"
[[step]]
id = "b"
task = "one.b"
"""


class Keyed(task_queue.TaskQueue):
    environment = {}

    def setUp(self):
        self.server = baton.Server(env=self.environment).start()
        self.addCleanup(self.server.close)

    def deploy(self, limit=1, on_limit="queue"):
        self.server.deploy(ONE.format(limit=limit, on_limit=on_limit))

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def start(self, who):
        return self.ask("/api/runs", {"workflow": "one", "input": {"who": who}})

    def status(self, run):
        return self.ask("/api/runs/" + run)["status"]

    def take(self, task):
        """All that waits of a task: [(run id, properties)]."""
        found = []
        with self.channel() as channel:
            while True:
                method, properties, _ = channel.basic_get("baton.task." + task, auto_ack=True)
                if method is None:
                    return found
                found.append(properties)

    def restart(self):
        self.server.kill()
        self.server.start()

    def went_on(self, run):
        """From when to when: of its history."""
        began = ended = None
        for row in self.ask(f"/api/runs/{run}/history")["history"]:
            for fact in row["facts"]:
                if fact["fact"] == "run_status":
                    began = began or row["at"]
                    ended = row["at"] if fact["status"] == "completed" else None
        return began, ended

    def work_until_all_are_over(self, runs, kill_every=None):
        rounds, end = 0, time.monotonic() + 120
        while any(self.status(run) != "completed" for run in runs):
            rounds += 1
            if time.monotonic() > end:
                self.fail("they do not come to an end: " + json.dumps([self.ask("/api/runs/" + run) for run in runs]))
            for task in ("one.a", "one.b"):
                for properties in self.take(task):
                    self.complete(properties)
            if kill_every and rounds % kill_every == 0:
                self.restart()


class ConcurrencyTest(Keyed, unittest.TestCase):
    def test_runs_of_one_key_never_overlap_over_kill_9(self):
        self.deploy(limit=1)
        runs = {who: [self.start(who)["run"] for _ in range(4)] for who in ("ada", "bob", "eve")}
        self.assertEqual(sum(self.status(run) == "queued" for of in runs.values() for run in of), 9)
        self.assertIn("concurrency key 'ada'", self.server.baton("why", runs["ada"][3], check=0).stdout)
        self.work_until_all_are_over([run for of in runs.values() for run in of], kill_every=4)
        for who, of in runs.items():
            spans = [self.went_on(run) for run in of]
            self.assertEqual(spans, sorted(spans), f"{who}: in the order in which they were started")
            for (_, ended), (began, _) in zip(spans, spans[1:]):
                self.assertLessEqual(ended, began, who)

    def test_one_more_is_skipped_refused_or_replaces(self):
        self.deploy(on_limit="skip")
        first = self.start("ada")["run"]
        self.assertEqual(self.start("ada"), {"run": first, "new": False, "skipped": True})
        self.assertIn("skipped: run " + first, self.server.baton("run", "one", "--set", "who=ada", check=0).stdout)
        self.deploy(on_limit="refuse")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.start("ada")
        self.assertEqual(refused.exception.code, 409)
        self.assertIn(first, json.loads(refused.exception.read())["reason"])
        self.deploy(on_limit="replace")
        second = self.start("ada")["run"]
        baton.wait_for(lambda: self.status(first) == "cancelled" and self.status(second) == "running", "the newest goes on")
        self.restart()
        self.assertEqual(self.status(second), "running")

    def test_a_paused_task_type_hands_nothing_out_over_kill_9(self):
        self.deploy(limit=9)
        self.assertEqual(self.server.json("pause", "--task", "one.a", "--reason", "the server moves")["task"], "one.a")
        run = self.start("ada")["run"]
        self.restart()
        other = self.start("bob")["run"]
        self.assertEqual(self.take("one.a"), [])
        said = "task type one.a is paused by guest"
        self.assertIn(said, self.server.baton("why", run, check=0).stdout)
        [step] = self.ask("/api/runs/" + run)["steps"]
        self.assertEqual((step["status"], said in step["reason"]), ("held", True))
        self.assertIn(said, self.ask("/api/health")["reason"])
        self.assertIn("one.a", self.server.baton("pause", "--list", check=0).stdout)
        self.assertEqual(self.server.baton("pause", "--task", "one.a").returncode, 1)

        self.server.baton("resume", "--task", "one.a", check=0)
        self.restart()
        self.work_until_all_are_over([run, other])
        self.assertEqual(self.ask("/api/pauses"), [])
        self.assertEqual(self.ask("/api/health")["status"], "ok")

    def test_a_paused_workflow_starts_nothing_over_kill_9(self):
        self.deploy(limit=1)
        running = self.start("ada")["run"]
        self.server.baton("pause", "--workflow", "one", check=0)
        queued = self.start("ada")
        self.assertTrue(queued["queued"])
        self.restart()
        other = self.start("bob")["run"]
        for properties in self.take("one.a"):
            self.complete(properties)
        baton.wait_for(lambda: any(step["status"] == "held" for step in self.ask("/api/runs/" + running)["steps"]), "its next step is held")
        self.assertEqual([self.status(queued["run"]), self.status(other)], ["queued", "queued"])
        self.assertIn("baton resume --workflow one", self.server.baton("why", other, check=0).stdout)
        self.server.baton("resume", "--workflow", "one", check=0)
        self.restart()
        self.work_until_all_are_over([running, queued["run"], other])


class ConcurrencyOnPostgresTest(Keyed, unittest.TestCase):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": self.store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    # The CMake lists tests by `def`; these names are its own.
    def test_runs_never_overlap(self):
        ConcurrencyTest.test_runs_of_one_key_never_overlap_over_kill_9(self)

    def test_paused_task_type(self):
        ConcurrencyTest.test_a_paused_task_type_hands_nothing_out_over_kill_9(self)

    def test_paused_workflow(self):
        ConcurrencyTest.test_a_paused_workflow_starts_nothing_over_kill_9(self)


if __name__ == "__main__":
    unittest.main()
