"""What workers say of a run while they work stands with the run: in order, over kill -9, bounded, and harmless whatever
the text is."""
import json
import threading
import time
import unittest

import pika

import baton
import v1

WORKFLOW = """
workflow = "logs"
[[step]]
id = "talk"
task = "logs.talk"
"""


class LogsTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)
        self.api = v1.Client(self.server)

    def begin(self):
        """(run, properties of its task, channel): the task is with us, not acked."""
        run = self.server.baton("run", "logs", "--detach", check=0).stdout.strip()
        channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()
        channel.confirm_delivery()

        def take():
            method, properties, _ = channel.basic_get("baton.task.logs.talk", auto_ack=True)
            return properties if method else None
        return run, baton.wait_for(take, "the task comes"), channel

    def say(self, channel, task, kind, said):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        channel.basic_publish("", task.reply_to, body, pika.BasicProperties(
            type=kind, correlation_id=task.correlation_id, delivery_mode=2))

    def lines(self, run, **query):
        return list(self.api.all(f"/runs/{run}/logs", **query))

    def texts(self, run):
        return [line["text"] for line in self.lines(run)]

    def test_lines_stand_with_the_run_in_their_order_and_outlive_a_crash(self):
        run, task, channel = self.begin()
        for n in range(20):
            self.say(channel, task, "log", {"level": "warning" if n == 3 else "info", "text": f"line {n}"})
        baton.wait_for(lambda: len(self.texts(run)) == 20, "all are kept")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.texts(run), [f"line {n}" for n in range(20)])
        first = self.lines(run)[3]
        self.assertEqual((first["number"], first["level"], first["step"], first["attempt"]), (4, "warning", "talk", 1))
        self.assertEqual([line["number"] for line in self.lines(run, after=17)], [18, 19, 20])

        shown = self.server.baton("logs", run[:13], check=0).stdout.splitlines()
        self.assertEqual(len(shown), 20)
        self.assertTrue(shown[3].endswith("  warning  talk  line 3"), shown[3])
        self.assertEqual(json.loads(self.server.baton("logs", run, "--json", check=0).stdout.splitlines()[0])["text"], "line 0")

    def test_a_program_that_works_as_a_worker_talks_into_its_run(self):
        self.server.deploy(WORKFLOW.replace('"logs"', '"program"').replace("logs.talk", "logs.program"))
        settings = self.server.home / "worker.toml"
        settings.write_text('[[program]]\ntask = "logs.program"\ncommand = ["/bin/sh", "-c", "echo looks >&2; echo finds >&2; echo 7"]\n')
        import subprocess
        worker = subprocess.Popen([baton.EXE, "worker", "exec"], cwd=self.server.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env={**self.server.env, "BATON_WORKER_FILE": str(settings), "BATON_BROKER_URL": self.server.env["BATON_AMQP"]})
        self.addCleanup(worker.wait, 60)
        self.addCleanup(worker.terminate)
        self.server.baton("run", "program", check=0)
        run = self.api.get("/runs?q=workflow:program")["items"][0]["id"]
        baton.wait_for(lambda: len(self.texts(run)) == 2, "both lines are kept")
        self.assertEqual(self.texts(run), ["looks", "finds"])

    def test_following_goes_on_until_the_run_is_over(self):
        run, task, channel = self.begin()
        self.say(channel, task, "log", {"text": "first"})
        baton.wait_for(lambda: self.texts(run), "it is kept")
        followed = []
        follower = threading.Thread(target=lambda: followed.append(self.server.baton("logs", run, "--follow", check=0)))
        follower.start()
        time.sleep(1)
        self.say(channel, task, "log", {"text": "second"})
        self.say(channel, task, "completed", {})
        follower.join(60)
        self.assertFalse(follower.is_alive())
        self.assertEqual([line.rsplit("  ", 1)[1] for line in followed[0].stdout.splitlines()], ["first", "second"])

    def test_text_from_outside_is_text_and_moves_no_terminal(self):
        run, task, channel = self.begin()
        self.say(channel, task, "log", {"text": "\x1b[2J\u202e red \x07"})
        self.say(channel, task, "log", b'{"text": "bytes \xff\xfe"}')
        self.say(channel, task, "log", {"level": "\x1b[31m", "text": "a\nb\n"})
        self.say(channel, task, "log", {"text": "x" * 100_000})
        baton.wait_for(lambda: len(self.texts(run)) >= 4, "they are kept")
        lines = self.lines(run)
        self.assertEqual(lines[0]["text"], "\x1b[2J\u202e red \x07")
        self.assertEqual(lines[1]["text"], "bytes \ufffd\ufffd")
        self.assertEqual((lines[2]["level"], lines[2]["text"]), ("info", "a\nb"))
        self.assertLessEqual(len(lines[3]["text"].encode()), 4096 + len("…".encode()))
        shown = self.server.baton("logs", run, check=0).stdout
        self.assertNotIn("\x1b", shown)
        self.assertNotIn("\u202e", shown)
        self.assertIn("\\x1b[2J", shown)
        self.assertIn("a\\nb", shown)

    def test_of_a_flood_the_newest_stay_and_that_is_said(self):
        run, task, channel = self.begin()
        quick = channel.connection.channel()
        for n in range(1500):
            self.say(quick, task, "log", {"text": f"line {n}"})
        baton.wait_for(lambda: (self.texts(run) or [""])[-1] == "line 1499", "the last is kept", 60)
        page = self.api.get(f"/runs/{run}/logs")
        self.assertEqual((page["items"][0]["text"], page["dropped"], page["next"]), ("line 500", 500, 1000))
        self.assertEqual(len(self.lines(run)), 1000)
        self.assertIn("the first 500 lines of this run are gone", self.server.baton("logs", run, check=0).stderr)
        # It held nothing up.
        self.say(channel, task, "completed", {})
        baton.wait_for(lambda: self.server.http_json(self.server.http, f"/api/runs/{run}")["status"] == "completed", "the run ends")

    def test_nobody_speaks_for_a_task_that_is_not_his(self):
        run, task, channel = self.begin()
        forged = pika.BasicProperties(type="log", correlation_id=task.correlation_id[:-1] + "0", delivery_mode=2)
        if forged.correlation_id == task.correlation_id:
            forged.correlation_id = task.correlation_id[:-1] + "1"
        channel.basic_publish("", task.reply_to, b'{"text":"forged"}', forged)
        self.say(channel, task, "log", {"text": "true"})
        baton.wait_for(lambda: self.texts(run), "it is kept")
        self.assertEqual(self.texts(run), ["true"])
        self.assertEqual(self.api.ask("GET", "/runs/0193a5c2-7d41-7000-8000-000000000000/logs", status=404).status, 404)


if __name__ == "__main__":
    unittest.main()
