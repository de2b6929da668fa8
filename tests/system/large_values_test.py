"""A result of a megabyte that three steps read: the store keeps it once, rows stay small, and everybody who
reads gets it whole, also after a kill -9."""
import json
import sqlite3
import subprocess
import unittest

import pika

import baton
import postgres

READ = """workflow = "reads"
[[step]]
id = "make"
task = "large.make"
""" + "".join(f'[[step]]\nid = "read{i}"\ntask = "large.read"\nwith = {{ data = "${{make.data}}", n = {i} }}\n' for i in range(3)) + """
[output]
data = "${make.data}"
"""
DATA = "0123456789abcdef" * 65536


class Reading:
    environment = {}

    def setUp(self):
        self.server = baton.Server(env=self.environment).start()
        self.addCleanup(self.server.close)
        self.server.deploy(READ)

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def take(self, channel, task):
        def next_task():
            method, properties, body = channel.basic_get("baton.task." + task, auto_ack=True)
            return (properties, json.loads(body)) if method else None
        return baton.wait_for(next_task, "the task comes")

    def channel(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        channel.confirm_delivery()
        return connection, channel

    @staticmethod
    def complete(channel, properties, result):
        channel.basic_publish("", properties.reply_to, json.dumps(result).encode(), pika.BasicProperties(
            type="completed", correlation_id=properties.correlation_id, content_type="application/json", delivery_mode=2))

    def number(self, sql):
        raise NotImplementedError

    def play(self):
        runs = [self.ask("/api/runs", {"workflow": "reads"})["run"] for _ in range(2)]
        connection, channel = self.channel()
        for _ in runs:
            properties, _ = self.take(channel, "large.make")
            self.complete(channel, properties, {"data": DATA})
        answered, is_killed = set(), False
        while len(answered) < 6:
            properties, given = self.take(channel, "large.read")
            self.assertTrue(given["data"] == DATA, "whole, whoever has read it from the store")
            self.complete(channel, properties, {"length": len(given["data"])})
            answered.add(properties.headers["baton-idempotency-key"])
            if len(answered) == 3 and not is_killed:  # once: a task may come twice, and would be the third again
                is_killed = True
                connection.close()
                self.server.kill()  # what comes next is read from what was stored
                self.server.start()
                connection, channel = self.channel()
        for run in runs:
            shown = baton.wait_for(lambda run=run: self.closed(run), "the run ends", 60, pause=1)
            self.assertEqual((shown["status"], shown["output"]["data"] == DATA), ("completed", True))
        connection.close()
        self.assertEqual(self.number("select count(*) from blob"), 1, "one text for both runs and all their steps")
        self.assertLess(self.number("select max(length(state) + length(input) + length(output)) from run"), 20_000)
        self.assertLess(self.number("select sum(length(events)) from history"), 200_000)

    def closed(self, run):
        row = self.ask("/api/runs/" + run)
        return row if row["closed_at"] else None


class LargeValuesTest(Reading, unittest.TestCase):
    def number(self, sql):
        database = sqlite3.connect(self.server.home / "data" / "baton.sqlite")
        try:
            return database.execute(sql).fetchone()[0]
        finally:
            database.close()

    def test_a_megabyte_is_kept_once_in_sqlite(self):
        self.play()


class LargeValuesOnPostgresTest(Reading, unittest.TestCase):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": self.store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    def number(self, sql):
        done = subprocess.run([self.store.programs / "psql", "-AtX", self.store.url, "-c", sql], capture_output=True, text=True,
                              check=True)
        return int(done.stdout)

    def test_a_megabyte_is_kept_once_in_postgresql(self):
        self.play()


if __name__ == "__main__":
    unittest.main()
