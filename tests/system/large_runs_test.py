"""Runs that hold too much, rows that cannot be read: each ends or stands by itself, the server and all
others go on, also at the next start, and what is reported for such a run is kept."""
import contextlib
import json
import pathlib
import sqlite3
import unittest

import pika

import baton

# 700 steps that hold two megabytes each; and the same where an effect has to be undone.
STEPS = "".join(f'[[step]]\nid = "s{i}"\nset = {{ v = "${{vars.x + vars.x + vars.x + vars.x}}" }}\n' for i in range(700))
LARGE = 'workflow = "large"\n[vars]\nx = "' + "y" * 500_000 + '"\n' + STEPS
UNDONE = ('workflow = "undone"\non_failure = "compensate"\n[vars]\nx = "' + "y" * 500_000 + '"\n'
          '[[step]]\nid = "box"\ntask = "large.box"\n'
          'compensate = { task = "large.unbox", with = { id = "${box.id}" } }\n' + STEPS)
ONE = 'workflow = "one"\n[[step]]\nid = "a"\ntask = "large.one"\n[output]\nv = "${a.v}"\n'


class LargeRunsTest(unittest.TestCase):
    env = {}

    def setUp(self):
        self.server = baton.Server(env=self.env).start()
        self.addCleanup(self.server.close)

    def deploy(self, *sources):
        for source in sources:
            self.ask("/api/workflows", {"source": source, "file": "w.toml"})

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def start(self, workflow):
        return self.ask("/api/runs", {"workflow": workflow, "input": {}})["run"]

    def closed(self, run):
        row = self.ask("/api/runs/" + run)
        return row if row["closed_at"] else None

    def end_of(self, run):
        return baton.wait_for(lambda: self.closed(run), "the run ends", 90)

    def channel(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(self.hang_up, connection)
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

    @staticmethod
    def hang_up(connection):
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()  # a server that was killed does not answer

    @staticmethod
    def take(channel, task):
        def next_task():
            method, properties, body = channel.basic_get("baton.task." + task, auto_ack=True)
            return (properties, body) if method else None
        return baton.wait_for(next_task, "the task comes")

    @staticmethod
    def complete(channel, properties, result):
        channel.basic_publish("", properties.reply_to, json.dumps(result).encode(), pika.BasicProperties(
            type="completed", correlation_id=properties.correlation_id, delivery_mode=2))

    def most_memory(self):
        """The most the process ever had, in MiB."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def test_a_run_that_holds_too_much_fails_and_its_server_goes_on(self):
        self.deploy(LARGE, UNDONE)
        before = self.most_memory()
        row = self.end_of(self.start("large"))
        self.assertEqual((row["status"], row["error_type"]), ("failed", "baton.run_too_large"))
        self.assertIn("orchestrator.run_mib_max", row["error"])
        self.assertLess(self.most_memory() - before, 700)

        channel = self.channel()
        run = self.start("undone")
        properties, _ = self.take(channel, "large.box")
        self.complete(channel, properties, {"id": 7})
        properties, body = self.take(channel, "large.unbox")
        self.assertEqual(json.loads(body), {"id": 7})
        self.complete(channel, properties, {})
        row = self.end_of(run)
        self.assertEqual((row["status"], row["error_type"]), ("compensated", "baton.run_too_large"))

        self.server.kill()
        self.server.start()
        self.assertEqual(len(self.ask("/api/runs?limit=10")), 2)

    def test_a_row_that_cannot_be_read_stands_alone_and_loses_no_report(self):
        self.deploy(ONE)
        channel = self.channel()
        damaged, large, good = (self.start("one") for _ in range(3))
        tasks = {}
        for _ in range(3):
            properties, _ = self.take(channel, "large.one")
            tasks[properties.headers["baton-run"]] = properties
        self.server.kill()
        database = self.server.home / "data" / "baton.sqlite"
        with sqlite3.connect(database) as rows:
            [state] = rows.execute("select state from run where run_id = ?", (damaged,)).fetchone()
            rows.execute("update run set state = ? where run_id = ?", (state[:-1], damaged))
            rows.execute("update run set state = ? where run_id = ?",
                         (state[:-1] + ',"more":"' + "x" * (300 << 20) + '"}', large))
        self.server.start()
        channel = self.channel()
        for run, properties in tasks.items():
            self.complete(channel, properties, {"v": run})
        self.assertEqual(self.end_of(good)["output"], {"v": good})

        letters = baton.wait_for(lambda: (lambda all: all if len(all) == 2 else None)(self.ask("/api/dead")), "two dead letters")
        self.assertEqual({letter["run"] for letter in letters}, {damaged, large})
        self.assertEqual({letter["reason"] for letter in letters}, {"no_run"})
        for run in (damaged, large):
            self.assertIn("cannot be read" if run == damaged else "run_mib_max", self.server.baton("show", run, check=0).stdout)
            self.assertNotEqual(self.server.baton("retry", run).returncode, 0)
        self.assertLess(self.most_memory(), 900)

        # The row is well again: the report that was kept is sent again, and the run goes on.
        with sqlite3.connect(database) as rows:
            rows.execute("update run set state = ? where run_id = ?", (state, damaged))
        [letter] = [one["id"] for one in letters if one["run"] == damaged]
        self.server.baton("dead", "redrive", str(letter), check=0)
        self.assertEqual(self.end_of(damaged)["output"], {"v": damaged})
        # Nobody can mend the other one: it is closed without being read.
        self.server.baton("cancel", large, "--reason", "nobody reads this", check=0)
        row = self.end_of(large)
        self.assertEqual(row["status"], "cancelled")
        self.assertIn("nobody reads this", row["error"])

    def test_a_result_beyond_the_limit_fails_its_step_and_is_named(self):
        self.deploy(ONE)
        channel = self.channel()
        run = self.start("one")
        properties, _ = self.take(channel, "large.one")
        self.complete(channel, properties, {"v": "x" * (15 << 20)})
        row = self.end_of(run)
        # The result has room, and the output, which says it once more, has not.
        self.assertEqual((row["status"], row["error_type"]), ("failed", "baton.run_too_large"))


if __name__ == "__main__":
    unittest.main()
