"""An operator and a run that cannot go on: an undo that fails is skipped, a run is finished by hand, and who
did it and why stands in the history."""
import contextlib
import json
import unittest
import urllib.error

import pika

import baton

UNDO = """workflow = "undo"
on_failure = "compensate"
[defaults]
retry = { max_attempts = 1 }
[[step]]
id = "one"
task = "undo.a"
compensate = { task = "undo.a.back" }
[[step]]
id = "two"
task = "undo.b"
compensate = { task = "undo.b.back" }
[[step]]
id = "last"
task = "undo.c"
"""


class UndoTest(unittest.TestCase):
    def setUp(self):
        users = "guest:guest,looker[baton-viewer]:looks"
        self.server = baton.Server(env={"BATON_BROKER_USERS": users}).start()
        self.addCleanup(self.server.close)
        self.ask("/api/workflows", {"source": UNDO, "file": "w.toml"})
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(self.hang_up, connection)
        self.channel = connection.channel()
        self.channel.confirm_delivery()

    @staticmethod
    def hang_up(connection):
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()  # a server that was killed does not answer

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def answer(self, task, kind, body):
        def next_task():
            method, properties, _ = self.channel.basic_get("baton.task." + task, auto_ack=True)
            return properties if method else None
        properties = baton.wait_for(next_task, task)
        self.channel.basic_publish("", properties.reply_to, json.dumps(body).encode(), pika.BasicProperties(
            type=kind, correlation_id=properties.correlation_id, delivery_mode=2))

    def status_of(self, run, status):
        return baton.wait_for(lambda: self.ask("/api/runs/" + run)["status"] == status, status)

    def stuck(self):
        """A run of which one undo failed and the other one is done."""
        run = self.ask("/api/runs", {"workflow": "undo", "input": {}})["run"]
        self.answer("undo.a", "completed", {})
        self.answer("undo.b", "completed", {})
        self.answer("undo.c", "failed", {"type": "broken"})
        self.answer("undo.b.back", "failed", {"type": "locked"})
        self.answer("undo.a.back", "completed", {})
        self.status_of(run, "failed")
        return run

    def test_an_undo_that_fails_is_skipped_with_a_reason(self):
        run = self.stuck()
        refused = self.server.baton("skip-undo", run, "one", "--reason", "x")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is done already", refused.stderr)
        self.assertEqual(self.server.baton("skip-undo", run, "two").returncode, 2, "a reason is needed")

        done = self.server.baton("skip-undo", run, "two", "--reason", "deleted it by hand", check=0)

        self.assertIn("compensated", done.stdout)
        shown = self.server.baton("show", run, check=0).stdout
        self.assertIn("undo of two skipped by guest: deleted it by hand", shown)
        [letter] = [one for one in self.ask("/api/dead?state=dropped") if one["run"] == run]
        self.assertEqual(letter["step"], "two:undo")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.ask("/api/runs/" + run)["status"], "compensated")

    def test_a_run_is_finished_by_hand(self):
        run = self.stuck()
        self.assertEqual(self.server.baton("finish", run, "--as", "running", "--reason", "x").returncode, 1)

        self.server.baton("finish", run, "--as", "compensated", "--reason", "all is cleaned up", check=0)

        row = self.ask("/api/runs/" + run)
        self.assertEqual(row["status"], "compensated")
        facts = [fact for entry in row["history"] for fact in entry["facts"]]
        [fact] = [one for one in facts if one["fact"] == "run_finished"]
        self.assertEqual((fact["actor"], fact["text"]), ("guest", "all is cleaned up"))
        self.assertEqual(self.ask("/api/dead"), [])
        self.assertEqual(self.server.baton("finish", run, "--as", "failed", "--reason", "x").returncode, 1)
        audit = (self.server.home / "data" / "audit.jsonl").read_text()
        self.assertIn("/api/runs/{run}/finish", audit)

    def test_a_run_that_goes_on_is_finished_and_who_may_only_look_may_not(self):
        run = self.ask("/api/runs", {"workflow": "undo", "input": {}})["run"]
        guest, self.server.env = self.server.env, dict(self.server.env, BATON_USER="looker", BATON_PASSWORD="looks")
        for verb in (("finish", run, "--as", "failed", "--reason", "x"), ("skip-undo", run, "one", "--reason", "x")):
            self.assertNotEqual(self.server.baton(*verb).returncode, 0)
        self.server.env = guest
        self.assertEqual(self.ask("/api/runs/" + run)["status"], "running")

        self.server.baton("finish", run, "--as", "failed", "--reason", "nobody needs it", check=0)

        row = self.ask("/api/runs/" + run)
        self.assertEqual((row["status"], row["error_type"]), ("failed", "baton.finished_by_hand"))
        self.server.baton("retry", run, check=0)
        self.status_of(run, "running")
        for body in ({"status": "failed"}, {"status": "failed", "reason": "x" * 5000}, {"status": "odd", "reason": "x"}):
            with self.assertRaises(urllib.error.HTTPError) as refusal:
                self.ask(f"/api/runs/{run}/finish", body)
            self.assertEqual(refusal.exception.code, 400)


if __name__ == "__main__":
    unittest.main()
