"""An operator and runs by hand: pauses, steps passed over or done by hand, inputs put right, reruns, ends. Each
by the command line, with the real server killed in between, and with who asked and why in the history."""
import contextlib
import json
import sqlite3
import subprocess
import time
import unittest
import urllib.error

import pika

import baton
import postgres

TWO = """workflow = "two"
[defaults]
retry = { max_attempts = 1 }
[[step]]
id = "first"
task = "two.a"
with = { to = "${input.to}" }
[[step]]
id = "second"
task = "two.b"
with = { n = "${first}" }
[input.to]
type = "string"
required = true
[output]
n = "${second}"
"""


# Each begins two more, without end.
ENDLESS = """workflow = "endless"
[input]
n = { type = "integer", default = 0 }
[[step]]
id = "more"
for_each = "[1, 2]"
as = "one"
[[step.do]]
id = "again"
workflow = "endless"
with = { n = "${input.n + 1}" }
"""


class Operated:
    environment = {}

    def setUp(self):
        users = "guest:guest,looker[baton-viewer]:looks"
        self.server = baton.Server(env={"BATON_BROKER_USERS": users, **self.environment}).start()
        self.addCleanup(self.server.close)
        self.ask("/api/workflows", {"source": TWO, "file": "w.toml"})

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def start(self):
        return self.ask("/api/runs", {"workflow": "two", "input": {"to": "ada"}})["run"]

    def task(self, task):
        """The next task, whose answer is given later, on a connection of its own: servers die here."""
        def next_task():
            with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))) as one:
                method, properties, body = one.channel().basic_get("baton.task." + task, auto_ack=True)
                return (properties, json.loads(body)) if method else None
        return baton.wait_for(next_task, task)

    def answer(self, properties, kind, body):
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))) as one:
            channel = one.channel()
            channel.confirm_delivery()
            channel.basic_publish("", properties.reply_to, json.dumps(body).encode(), pika.BasicProperties(
                type=kind, correlation_id=properties.correlation_id, delivery_mode=2))

    def waits(self, task):
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))) as one:
            return one.channel().queue_declare("baton.task." + task, passive=True).method.message_count

    def restart(self):
        self.server.kill()
        self.server.start()

    def status_of(self, run, status):
        return baton.wait_for(lambda: self.ask("/api/runs/" + run)["status"] == status, status)

    def steps(self, run):
        return {one["step"]: one for one in self.ask("/api/runs/" + run)["steps"]}


class OperateTest(Operated, unittest.TestCase):
    def test_a_paused_run_takes_results_and_begins_nothing_over_a_crash(self):
        run = self.start()
        first, _ = self.task("two.a")
        self.assertIn("paused", self.server.baton("pause", run, "--reason", "mail moves", check=0).stdout)
        self.restart()

        self.answer(first, "completed", 1)
        baton.wait_for(lambda: self.steps(run)["first"]["status"] == "done", "the result is taken")
        self.restart()
        self.assertEqual(self.waits("two.b"), 0)
        why = self.server.baton("why", run, check=0).stdout
        self.assertIn("guest let it pause: mail moves", why)
        self.assertIn("baton resume", why)
        self.assertEqual(self.server.baton("retry", run).returncode, 1)

        self.server.baton("resume", run, check=0)
        self.restart()
        second, given = self.task("two.b")
        self.assertEqual(given["n"], 1)
        self.answer(second, "completed", 2)
        self.status_of(run, "completed")
        shown = self.server.baton("show", run, check=0).stdout
        self.assertIn("paused by guest: mail moves", shown)
        self.assertIn("resumed by guest", shown)
        self.assertEqual(self.server.baton("resume", run).returncode, 1)

    def test_a_dead_step_is_tried_with_another_input_skipped_or_done_by_hand(self):
        first, given = self.task_of_new_run()
        self.assertEqual(given["to"], "ada")
        self.answer(first, "failed", {"type": "unknown"})
        self.status_of(self.run_id, "failed")
        [letter] = self.ask("/api/dead")
        self.assertEqual(self.server.baton("dead", "redrive", str(letter["id"]), "--with", "[1]").returncode, 1)
        self.server.baton("dead", "redrive", str(letter["id"]), "--with", '{"to":"bob"}', check=0)
        self.restart()
        again, given = self.task("two.a")
        self.assertEqual(given, {"to": "bob"})
        self.assertEqual(again.headers["baton-idempotency-key"], f"{self.run_id}/first")
        self.answer(again, "failed", {"type": "unknown"})
        self.status_of(self.run_id, "failed")

        self.assertEqual(self.server.baton("set-output", self.run_id, "first", "--output", "{", "--reason", "x").returncode, 2)
        self.server.baton("set-output", self.run_id, "first", "--output", "7", "--reason", "did it in the admin page", check=0)
        self.restart()
        second, given = self.task("two.b")
        self.assertEqual(given["n"], 7)
        self.server.baton("skip", self.run_id, "second", "--reason", "nobody reads it", check=0)
        self.answer(second, "completed", 1)
        self.status_of(self.run_id, "failed")  # its output reads what was passed over
        [dropped] = self.ask("/api/dead?state=dropped")
        self.assertEqual((dropped["closed_by"], dropped["close_reason"]), ("guest", "did it in the admin page"))
        shown = self.server.baton("show", self.run_id, check=0).stdout
        for line in ("input of first edited by guest", "first done by hand by guest: did it in the admin page",
                     "second passed over by guest: nobody reads it"):
            self.assertIn(line, shown)

    def task_of_new_run(self):
        self.run_id = self.start()
        return self.task("two.a")

    def test_a_completed_run_runs_again_from_a_step(self):
        first, _ = self.task_of_new_run()
        self.answer(first, "completed", 1)
        second, _ = self.task("two.b")
        self.answer(second, "completed", 2)
        self.status_of(self.run_id, "completed")

        self.server.baton("rerun", self.run_id, "second", "--reason", "the figures were wrong", check=0)
        self.restart()
        again, given = self.task("two.b")
        self.assertEqual(given["n"], 1)
        self.assertEqual(again.headers["baton-idempotency-key"], f"{self.run_id}/second:rerun1")
        self.assertNotEqual(again.correlation_id, second.correlation_id)
        self.answer(again, "completed", 3)
        self.status_of(self.run_id, "completed")
        self.assertEqual(self.ask("/api/runs/" + self.run_id)["output"], {"n": 3})
        self.assertEqual(len(self.steps(self.run_id)["second"]["attempts"]), 2)
        self.assertEqual(self.waits("two.a"), 0)

    def test_terminate_ends_at_once(self):
        first, _ = self.task_of_new_run()
        self.assertEqual(self.server.baton("terminate", self.run_id).returncode, 2, "a reason is needed")
        self.server.baton("terminate", self.run_id, "--reason", "started by mistake", check=0)
        self.restart()
        row = self.ask("/api/runs/" + self.run_id)
        self.assertEqual((row["status"], self.steps(self.run_id)["first"]["status"]), ("cancelled", "cancelled"))
        self.answer(first, "completed", 1)
        self.assertEqual(self.server.baton("terminate", self.run_id, "--reason", "x").returncode, 1)

    def test_many_runs_are_found_by_a_query_shown_and_changed_over_a_crash(self):
        runs = [self.start() for _ in range(12)]
        query = "workflow:two status:running"
        shown = self.server.baton("pause", "--where", query, "--dry-run", check=0).stdout
        self.assertIn("12 run(s) fit", shown)
        self.assertTrue(all(self.ask("/api/runs/" + run)["status"] == "running" for run in runs))

        pausing = subprocess.Popen([baton.EXE, "pause", "--where", query, "--rate", "4", "--reason", "all"],
                                   env=self.server.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(pausing.kill)
        paused = lambda: [run for run in runs if self.ask("/api/runs/" + run)["status"] == "paused"]
        baton.wait_for(lambda: len(paused()) >= 3, "some are paused")
        self.restart()
        pausing.kill()
        pausing.communicate()
        [job] = baton.wait_for(lambda: [one for one in self.ask("/api/jobs") if one["state"] == "done"], "the job goes on without both")
        self.assertEqual((len(paused()), job["total"], job["refused"], job["actor"]), (12, 12, 0, "guest"))
        self.assertGreaterEqual(job["done"], 11, "what was done when the server died may not be counted")
        self.assertIn("pause workflow:two status:running", self.server.baton("jobs", check=0).stdout)

        self.ask(f"/api/runs/{runs[0]}/terminate", {"reason": "x"})
        self.assertEqual(self.server.json("resume", "--where", "workflow:two status:paused", "--rate", "100")["done"], 11)
        for wrong in (("pause",), ("pause", runs[1], "--where", query), ("pause", runs[1], "--dry-run")):
            self.assertEqual(self.server.baton(*wrong).returncode, 2, wrong)
        refused = self.server.baton("resume", "--where", "workflow:two")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("12 refused", refused.stdout)
        self.assertEqual(self.server.baton("resume", "--where", "workflow:two", "--stop-after", "3").returncode, 1)
        self.assertEqual([self.ask("/api/jobs")[0][key] for key in ("state", "refused")], ["stopped", 3])

        slow = self.server.json("skip", "first", "--where", "workflow:two status:running", "--reason", "by hand", "--rate", "0.5", "--detach")
        self.assertEqual((slow["total"], slow["step"]), (11, "first"))
        self.assertEqual(self.server.json("jobs", str(slow["id"]), "--cancel")["state"], "cancelled")
        self.assertEqual(self.server.baton("jobs", str(slow["id"]), "--cancel").returncode, 2, "it is not running")
        self.server.baton("skip", "first", "--where", "workflow:two status:running", "--reason", "by hand", "--rate", "1000")
        skipped = [run for run in runs if self.steps(run).get("first", {}).get("status") == "skipped"]
        self.assertEqual(len(skipped), 11)
        for wrong in ({"q": "status:open"}, {"q": "", "action": "pause"}, {"q": "nonsense:1", "action": "pause"},
                      {"q": "status:open", "action": "skip", "reason": "x"}, {"q": "status:open", "action": "pause", "now": True},
                      {"q": "status:open", "action": "pause", "rate": "fast"}, {"q": "status:open", "action": "terminate"}):
            with self.subTest(wrong), self.assertRaises(urllib.error.HTTPError) as refusal:
                self.ask("/api/jobs", wrong)
            self.assertEqual(refusal.exception.code, 400)

    def test_a_workflow_that_begins_itself_without_end_is_stopped(self):
        self.server.deploy(ENDLESS)
        root = self.ask("/api/runs", {"workflow": "endless"})["run"]

        def runs():
            with contextlib.closing(sqlite3.connect(self.server.home / "data" / "baton.sqlite", timeout=30)) as database:
                return database.execute("select count(*) from run join definition using (definition_id) where name = 'endless'").fetchone()[0]
        baton.wait_for(lambda: runs() > 200, "it grows", 60, pause=0.2)
        self.server.baton("pause", "--workflow", "endless", "--reason", "it begins itself", check=0)
        went_on = baton.wait_for(lambda: runs() if runs() == (time.sleep(3), runs())[1] else None, "it stops growing", 90)
        # Others are served meanwhile.
        self.answer(self.task_of_new_run()[0], "completed", 1)
        self.answer(self.task("two.b")[0], "completed", 1)
        self.status_of(self.run_id, "completed")
        self.assertEqual(runs(), went_on)
        self.server.baton("cancel", root, "--reason", "it begins itself", check=0)
        baton.wait_for(lambda: not any(self.ask(f"/api/runs?workflow=endless&status={state}&limit=1") for state in ("running", "queued")),
                       "all of them end", 120, pause=1)
        self.server.baton("resume", "--workflow", "endless", check=0)
        time.sleep(2)
        self.assertEqual(runs(), went_on, "what waited does not begin any more")

    def test_who_may_only_look_may_not_and_bodies_are_checked(self):
        run = self.start()
        guest, self.server.env = self.server.env, dict(self.server.env, BATON_USER="looker", BATON_PASSWORD="looks")
        for verb in (("pause", run), ("resume", run), ("terminate", run, "--reason", "x"),
                     ("skip", run, "first", "--reason", "x"), ("rerun", run, "first", "--reason", "x"),
                     ("set-output", run, "first", "--output", "1", "--reason", "x"),
                     ("edit-input", run, "first", "--with", "{}", "--reason", "x")):
            self.assertNotEqual(self.server.baton(*verb).returncode, 0, verb)
        self.server.env = guest
        self.assertEqual(self.ask("/api/runs/" + run)["status"], "running")
        for name, body in (("pause", {"step": "first"}), ("skip", {"reason": "x"}), ("skip", {"step": "first"}),
                           ("terminate", {}), ("set-output", {"step": "first", "reason": "x"}),
                           ("edit-input", {"step": "first", "with": {}, "reason": "x" * 5000}),
                           ("rerun", {"step": 1, "reason": "x"})):
            with self.subTest(name, body=body), self.assertRaises(urllib.error.HTTPError) as refusal:
                self.ask(f"/api/runs/{run}/{name}", body)
            self.assertEqual(refusal.exception.code, 400)
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            self.ask(f"/api/runs/{run}/rerun", {"step": "first", "reason": "x"})
        self.assertEqual(refusal.exception.code, 409)


class OperateOnPostgresTest(Operated, unittest.TestCase):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": self.store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    def test_many_runs(self):
        OperateTest.test_many_runs_are_found_by_a_query_shown_and_changed_over_a_crash(self)


if __name__ == "__main__":
    unittest.main()
