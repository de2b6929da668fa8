"""The database file of a running server, touched from outside: another program may read it, back it up
and check its log in, and every run that was acknowledged is there after kill -9."""
import gzip
import json
import sqlite3
import subprocess
import sys
import unittest
import urllib.error

import pika

import baton
import house

WORKFLOW = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'

# In a process of its own: POSIX locks belong to processes, so a reader inside the test proves as much.
BACKUP = """
import sqlite3, sys
source, target = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(target)
target.close()
source.execute("pragma wal_checkpoint(truncate)").fetchall()
source.close()
"""


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def run_some(self, count):
        for _ in range(count):
            self.server.baton("run", "one", check=0)

    def runs(self):
        return len(self.server.http_json(self.server.http, "/api/runs?limit=100"))

    def test_runs_after_an_outside_backup_survive_a_crash(self):
        self.run_some(2)
        database = self.server.home / "data" / "baton.sqlite"
        copy = self.server.home / "copy.sqlite"
        subprocess.run([sys.executable, "-c", BACKUP, str(database), str(copy)], check=True, timeout=60)
        self.assertTrue((database.parent / "baton.sqlite-wal").exists(), "the log of a live database is gone")
        self.run_some(3)
        self.server.kill()

        self.server.start()

        self.assertEqual(self.runs(), 5)
        with sqlite3.connect(copy) as copied:
            self.assertEqual(copied.execute("pragma integrity_check").fetchone(), ("ok",))

    def test_runs_under_way_survive_what_other_programs_do_to_the_file_and_a_crash(self):
        database = self.server.home / "data" / "baton.sqlite"
        copy = self.server.home / "copy.sqlite"
        started = []

        def start():
            started.append(self.server.http_json(self.server.http, "/api/runs", {"workflow": "one"})["run"])

        with house.Repeatedly(start, 0) as starting:
            for _ in range(5):
                before = len(started)
                subprocess.run([sys.executable, "-c", BACKUP, str(database), str(copy)], check=True, timeout=60)
                baton.wait_for(lambda: len(started) > before + 5, "runs go on")
            self.server.kill()
        self.assertIsInstance(starting.error, OSError)

        self.server.start()

        there = {run["id"] for run in self.server.http_json(self.server.http, "/api/runs?limit=1000")}
        self.assertEqual([run for run in started if run not in there], [])

    def test_a_report_that_is_no_text_fails_its_attempt_and_nothing_else(self):
        self.server.deploy('workflow = "two"\n[[step]]\nid = "a"\ntask = "store.odd"\nretry = { max_attempts = 1 }\n')
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        for number, body in enumerate((b'{"name": "M\xfcller"}', gzip.compress(b"{}"), "\u00fc".encode()[:1], b'"\x00"'), 1):
            with self.subTest(body=body):
                started = self.server.http_json(self.server.http, "/api/runs", {"workflow": "two", "input": {}})
                task = baton.wait_for(lambda: self.next_task(channel), "the task comes")
                channel.basic_publish("", task.reply_to, body, pika.BasicProperties(
                    correlation_id=task.correlation_id, delivery_mode=2))
                run = baton.wait_for(lambda: self.closed(started["run"]), "the run ends")
                self.assertIn(run["status"], ("failed", "completed"))
                self.assertEqual(self.runs(), number)
                self.server.baton("show", started["run"])
                self.server.baton("dead", "list", check=0)

    def test_a_report_of_a_kind_that_is_no_text_is_one_failed_attempt(self):
        self.server.deploy('workflow = "two"\n[[step]]\nid = "a"\ntask = "store.odd"\nretry = { max_attempts = 1 }\n')
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        run = self.server.http_json(self.server.http, "/api/runs", {"workflow": "two", "input": {}})["run"]
        task = baton.wait_for(lambda: self.next_task(channel), "the task comes")
        channel.basic_publish("", task.reply_to, b"{}", pika.BasicProperties(
            type=b"od\xff\xfe", headers={"x": b"\xff"}, correlation_id=task.correlation_id, delivery_mode=2))

        closed = baton.wait_for(lambda: self.closed(run), "the run ends")

        self.assertEqual(closed["error_type"], "baton.bad_report")
        self.assertIn("od\ufffd\ufffd", closed["error"])
        self.assertEqual(len(self.server.http_json(self.server.http, "/api/dead")), 1)

    def test_rows_with_any_bytes_are_shown_as_text(self):
        self.run_some(1)
        with sqlite3.connect(self.server.home / "data" / "baton.sqlite") as database:
            [run] = database.execute("select run_id from run").fetchone()
            database.execute("update run set error = cast(x'6cff' as text), input = cast(x'22fe22' as text)")
            database.execute("update history set events = cast(x'5b22fd225d' as text)")
        listed = self.server.http_json(self.server.http, "/api/runs")
        self.assertEqual(listed[0]["error"], "l\ufffd")
        shown = self.server.http_json(self.server.http, "/api/runs/" + run)
        self.assertEqual(shown["input"], '"\ufffd"')
        self.server.baton("show", run, check=0)

    def test_what_is_no_run_id_is_no_run(self):
        for name in ("z" * 36, "%ff" * 36, "01234567-89ab-cdef-0123-456789abcdef", "'" * 36):
            with self.subTest(name=name), self.assertRaises(urllib.error.HTTPError) as refusal:
                self.server.http_json(self.server.http, f"/api/runs/{name}/cancel", {})
            self.assertEqual(refusal.exception.code, 404)
            json.loads(refusal.exception.read())
        self.run_some(1)

    def test_a_report_survives_a_store_that_refuses_for_a_while(self):
        self.server.deploy('workflow = "two"\n[[step]]\nid = "a"\ntask = "store.odd"\n')
        run = self.server.http_json(self.server.http, "/api/runs", {"workflow": "two", "input": {}})["run"]
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        channel.confirm_delivery()
        task = baton.wait_for(lambda: self.next_task(channel), "the task comes")

        with sqlite3.connect(self.server.home / "data" / "baton.sqlite") as database:
            database.execute("alter table history rename to elsewhere")
        channel.basic_publish("", task.reply_to, b"{}", pika.BasicProperties(
            correlation_id=task.correlation_id, delivery_mode=2))
        baton.wait_for(lambda: "the store failed" in self.server.log(), "the store refuses")
        with sqlite3.connect(self.server.home / "data" / "baton.sqlite") as database:
            database.execute("alter table elsewhere rename to history")

        self.assertEqual(baton.wait_for(lambda: self.closed(run), "the run ends")["status"], "completed")

    def test_a_database_keeps_its_number_of_partitions(self):
        self.server.stop()
        for number, is_right in (("64", False), ("1", True)):
            with self.subTest(number=number):
                done = subprocess.Popen([baton.EXE, "serve"], env=self.server.env | {"BATON_PARTITIONS": number},
                                        cwd=self.server.home, stderr=subprocess.PIPE, text=True)
                if is_right:
                    baton.wait_for(self.server.is_healthy, "the server starts")
                    done.terminate()
                    done.communicate(timeout=30)
                    continue
                _, said = done.communicate(timeout=30)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("spread over 1 partitions, and BATON_PARTITIONS says 64", said)
        self.server.start()

    @staticmethod
    def next_task(channel):
        method, properties, _ = channel.basic_get("baton.task.store.odd", auto_ack=True)
        return properties if method else None

    def closed(self, run_id):
        run = self.server.http_json(self.server.http, "/api/runs/" + run_id)
        return run if run["status"] in ("failed", "completed") else None


if __name__ == "__main__":
    unittest.main()
