"""baton doctor: what is stored of runs against their histories, of a stopped and of a running server; tasks that no
queue has; repairs that are noted and that survive kill -9."""
import contextlib
import json
import sqlite3
import unittest

import baton
import postgres
import task_queue

SICK = """workflow = "sick"
labels = { team = "${input.team}" }
[defaults]
retry = { max_attempts = 1 }
[input]
team = { type = "string", required = true }
text = { type = "string", default = "" }
[[step]]
id = "first"
task = "sick.a"
with = { text = "${input.text}" }
[[step]]
id = "second"
task = "sick.b"
[output]
n = "${second}"
"""

SLEEPS = """workflow = "sleeps"
[[step]]
id = "nap"
wait = "1h"
"""


class Sick(task_queue.TaskQueue):
    def setUp(self):
        self.server = baton.Server(env=self.environment).start()
        self.addCleanup(self.server.close)
        self.server.deploy(SICK)
        self.server.deploy(SLEEPS)

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def start(self, workflow="sick", **given):
        return self.ask("/api/runs", {"workflow": workflow, "input": given})["run"]

    def take(self, task):
        """The next task, acknowledged: from now on nobody but the test knows of it."""
        def taken():
            with self.channel() as channel:
                method, properties, _ = channel.basic_get("baton.task." + task, auto_ack=True)
                return properties if method else None
        return baton.wait_for(taken, task)

    def doctor(self, *args, check):
        return json.loads(self.server.baton("doctor", "--json", *args, check=check).stdout)

    def kinds(self, report):
        return sorted(one["kind"] for one in report["findings"])

    def status_of(self, run, status):
        return baton.wait_for(lambda: self.ask("/api/runs/" + run)["status"] == status, status)

    def waits_for(self, run, step):
        return baton.wait_for(lambda: any(one["step"] == step and one["status"] == "dispatched"
                                          for one in self.ask("/api/runs/" + run)["steps"]), step)

    def facts(self, run):
        return [fact for row in self.ask(f"/api/runs/{run}/history")["history"] for fact in row["facts"]]


class DoctorTest(Sick, unittest.TestCase):
    environment = {}

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.server.home / "data" / "baton.sqlite")) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    def test_a_stopped_store_is_proved_and_repaired(self):
        changed, ended, asleep, unlabelled = self.start(team="ops", text="x" * 9000), self.start(team="ops"), self.start("sleeps"), self.start(team="hr")
        letters = self.start(team="ops")
        for _ in range(4):
            self.complete(self.take("sick.a"), {})
        for run in (changed, ended, unlabelled, letters):
            self.waits_for(run, "second")
        self.assertEqual(self.doctor(check=0)["findings"], [])
        self.server.kill()
        self.assertEqual(self.doctor("--stopped", check=0)["findings"], [])
        self.sql(f"update run set state = replace(state, '\"first\":{{\"s\":1', '\"first\":{{\"s\":7') where run_id = '{changed}'",
                 f"update run set status = 6, error = 'nobody said so' where run_id = '{ended}'",
                 f"delete from alarm where run_id = '{asleep}'",
                 f"delete from run_tag where run_id = '{unlabelled}'",
                 "insert into run_tag (name, value, run_id) values ('label.team', 'nobody', '00000000-0000-7000-8000-000000000000')",
                 "insert into dead_letter (at, state, reason, task, run_id, workflow, workflow_version, step, attempts, error_type, error, "
                 f"input, message) select started_at, 1, 'exhausted', 'sick.a', '00000000-0000-7000-8000-000000000000', 'sick', 1, 'first', 1, "
                 f"'e', '{{}}', '{{}}', '' from run where run_id = '{letters}'")

        found = self.doctor("--stopped", check=1)
        self.assertEqual(self.kinds(found), ["dead_letter", "document", "due_time", "label", "label", "row"])
        by_kind = {one["kind"]: one for one in found["findings"]}
        self.assertEqual((by_kind["document"]["run"], by_kind["row"]["run"], by_kind["due_time"]["run"]), (changed, ended, asleep))
        self.assertIn("steps.first.s", by_kind["document"]["what"])
        self.assertRegex(by_kind["document"]["what"], "transition 1 of .*task_dispatched")
        self.assertIn("status failed instead of running", by_kind["row"]["what"])
        self.assertEqual(self.kinds(self.doctor("--stopped", check=1)), self.kinds(found), "nothing was changed")

        one = self.doctor(ended[:13], "--stopped", "--repair", check=0)
        self.assertEqual((one["examined"], one["mended"]), (1, 1))
        self.assertEqual(self.doctor("--stopped", "--repair", check=0)["mended"], 5)
        self.assertEqual(self.doctor("--stopped", check=0)["findings"], [])

        self.server.start()
        self.assertEqual(self.doctor(check=0)["findings"], [])
        mended = [fact for fact in self.facts(changed) if fact["fact"] == "run_mended"]
        self.assertIn("steps.first.s", mended[0]["text"])
        self.assertIn("baton doctor", mended[0]["actor"])
        self.assertIn("mended by baton doctor", self.server.baton("show", ended, check=0).stdout)
        self.assertEqual(len(self.ask("/api/runs?q=label.team:hr")["runs"]), 1)
        self.assertEqual(self.ask("/api/dead?state=dropped")[0]["close_reason"], "of no run; found by baton doctor")
        for _ in range(4):
            self.complete(self.take("sick.b"), 1)
        for run in (changed, ended, unlabelled, letters):
            self.status_of(run, "completed")
        self.assertEqual(self.doctor(check=0)["findings"], [])

    def test_a_history_with_a_hole_is_told_and_kept(self):
        run = self.start(team="ops")
        self.complete(self.take("sick.a"), {})
        self.waits_for(run, "second")
        self.server.kill()
        self.sql(f"delete from history where run_id = '{run}' and seq = 2")
        found = self.doctor("--stopped", "--repair", check=1)
        self.assertEqual(self.kinds(found), ["history"])
        self.assertIn("its history ends at transition 1, the row is at 2", found["findings"][0]["what"])

    def test_a_server_that_works_is_examined_and_repaired_by_its_api(self):
        self.assertIn("in use by another server", self.server.baton("doctor", "--stopped", check=2).stderr)
        run = self.start(team="ops")
        self.waits_for(run, "first")
        self.sql(f"update run set error = 'nobody said so' where run_id = '{run}'")
        self.assertEqual(self.kinds(self.doctor(check=1)), ["row"])
        self.assertEqual(self.doctor("--repair", check=0)["mended"], 1)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.doctor(check=0)["findings"], [])
        self.assertEqual([fact["actor"] for fact in self.facts(run) if fact["fact"] == "run_mended"], ["guest"])
        self.complete(self.take("sick.a"), {})
        self.complete(self.take("sick.b"), 7)
        self.status_of(run, "completed")

    def test_a_task_that_nobody_has_is_found_and_sent_again(self):
        run, other = self.start(team="ops"), self.start(team="ops")
        lost = self.take("sick.a")
        found = self.doctor("--patience", "0", check=1)
        self.assertEqual((self.kinds(found), found["findings"][0]["mendable"]), (["task"], False))
        self.assertIn("2 runs wait for sick.a", found["findings"][0]["what"])
        self.assertEqual(self.doctor(check=0)["findings"], [], "they have not waited for long")

        self.complete(self.take("sick.a"), {})
        baton.wait_for(lambda: self.kinds(self.doctor("--patience", "0", check=1)) == ["task"] and
                       self.doctor("--patience", "0", check=1)["findings"][0]["mendable"], "the queue is empty")
        self.assertEqual(self.doctor("--patience", "0", "--repair", check=0)["mended"], 1)
        self.server.kill()
        self.server.start()
        again = self.take("sick.a")
        self.assertEqual(again.correlation_id, lost.correlation_id, "the same attempt")
        self.complete(again, {})
        for _ in range(2):
            self.complete(self.take("sick.b"), 7)
        for one in (run, other):
            self.status_of(one, "completed")

    def test_what_a_worker_holds_is_not_lost(self):
        self.start(team="ops")
        with self.channel() as channel:
            baton.wait_for(lambda: channel.basic_get("baton.task.sick.a")[0], "the task")
            self.assertEqual(self.doctor("--patience", "0", check=0)["findings"], [])

    def test_nobody_at_home(self):
        self.server.kill()
        self.server.baton("doctor", check=3)


class DoctorOnPostgresTest(Sick, unittest.TestCase):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": self.store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    def sql(self, *statements):
        for statement in statements:
            self.store.run("psql", "-h", "127.0.0.1", "-p", str(self.store.port), "-U", "baton", "-d", "postgres", "-v", "ON_ERROR_STOP=1",
                           "-c", statement)

    def test_stopped(self):
        DoctorTest.test_a_stopped_store_is_proved_and_repaired(self)

    def test_hole(self):
        DoctorTest.test_a_history_with_a_hole_is_told_and_kept(self)

    def test_lost(self):
        DoctorTest.test_a_task_that_nobody_has_is_found_and_sent_again(self)



if __name__ == "__main__":
    unittest.main()
