"""Failed runs are told to people: each failure once, over kill -9, by a workflow that a few lines of configuration choose."""
import json
import pathlib
import threading
import time
import unittest

import pika

import baton

NOTICES = pathlib.Path(baton.ROOT) / "deploy" / "notices"
FAILS = """
workflow = "fails"
[[step]]
id = "try"
task = "notices.try"
"""
WAITS = """
workflow = "waits"
on_failure = "pause"
[[step]]
id = "try"
task = "notices.try"
"""


class NoticesTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server()
        self.addCleanup(self.server.close)
        (self.server.home / "baton.toml").write_text(
            '[notify]\nworkflow = "notice-mail"\nwith = { to = "ops@example.org" }\nonly = ["fails", "wait*"]\n')
        self.server.start()
        self.letters, self.answer, self.takes_letters = [], ("failed", {"type": "forbidden", "detail": "no", "retryable": False}), True
        self.server.deploy(FAILS)
        self.server.deploy(WAITS)
        self.server.deploy(FAILS.replace('"fails"', '"unnamed"'))

    def work(self):
        threading.Thread(target=self.perform_all, daemon=True).start()

    def perform_all(self):
        channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()

        def answer(channel, method, task, kind, said):
            channel.basic_publish("", task.reply_to, json.dumps(said), pika.BasicProperties(
                type=kind, correlation_id=task.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)

        def letter(channel, method, task, body):
            self.letters.append((task.headers["baton-idempotency-key"], json.loads(body)))
            answer(channel, method, task, "completed", {})
        channel.queue_declare("baton.task.mail.send", passive=True)
        channel.basic_consume("baton.task.mail.send", letter)
        channel.basic_consume("baton.task.notices.try", lambda c, m, t, b: answer(c, m, t, *self.answer))
        channel.start_consuming()

    def start(self, workflow):
        return self.server.baton("run", workflow, "--detach", check=0).stdout.strip()

    def await_status(self, run, status):
        baton.wait_for(lambda: self.server.http_json(self.server.http, f"/api/runs/{run}")["status"] == status, f"{run} is {status}", 60)

    def told_of(self, run):
        return [letter for _, letter in self.letters if run in letter["text"]]

    def test_each_failure_is_told_once(self):
        self.server.baton("deploy", str(NOTICES / "notice-mail.toml"), check=0)
        self.work()
        failed, waiting, unnamed = self.start("fails"), self.start("waits"), self.start("unnamed")
        self.await_status(failed, "failed")
        self.await_status(waiting, "paused")
        self.await_status(unnamed, "failed")
        baton.wait_for(lambda: self.told_of(failed) and self.told_of(waiting), "both are told")
        [letter] = self.told_of(failed)
        self.assertEqual((letter["to"], letter["subject"]), ("ops@example.org", "fails: failed"))
        self.assertIn("forbidden", letter["text"])
        self.assertIn("Step:   try", letter["text"])
        self.assertIn("waits for an operator", self.told_of(waiting)[0]["subject"])
        # A second failure of the same run is another one; what an operator did is none.
        self.server.baton("retry", failed, check=0)
        baton.wait_for(lambda: len(self.told_of(failed)) == 2, "it failed again")
        self.answer = ("started", {})
        by_hand = self.start("fails")
        self.server.baton("cancel", by_hand, check=0)
        self.await_status(by_hand, "cancelled")
        # Behind all of them comes one that is told.
        self.answer = ("failed", {"type": "forbidden", "detail": "no", "retryable": False})
        last = self.start("fails")
        baton.wait_for(lambda: self.told_of(last), "the last one is told")
        self.assertEqual((self.told_of(by_hand), self.told_of(unnamed)), ([], []))
        self.assertEqual((len(self.told_of(failed)), len(self.told_of(waiting)), len(self.letters)), (2, 1, 4))

    def test_a_notice_outlives_kill_9_and_comes_once(self):
        self.server.baton("deploy", str(NOTICES / "notice-mail.toml"), check=0)
        self.work()
        for _ in range(3):
            runs = [self.start("fails") for _ in range(3)]
            time.sleep(0.2)  # anywhere between report, end and notice
            self.server.kill()
            self.server.start()
            self.work()
            for run in runs:
                self.await_status(run, "failed")
                baton.wait_for(lambda: self.told_of(run), "it is told", 60)
        # By the runs that tell: exactly one for each failure; a letter's task may come twice under its key.
        notices = self.server.http_json(self.server.http, "/api/runs?workflow=notice-mail&limit=100")
        self.assertEqual(len(notices), 9)
        self.assertEqual(len({key for key, _ in self.letters}), 9)

    def test_without_its_workflow_the_log_says_so(self):
        self.work_without_letters()
        run = self.start("fails")
        self.await_status(run, "failed")
        baton.wait_for(lambda: "the workflow that notify names cannot begin" in self.server.log(), "the log says it")
        self.assertIn("there is no workflow 'notice-mail'", self.server.log())

    def letters_of_notices(self, state="open"):
        return [one for one in self.server.http_json(self.server.http, f"/api/dead?state={state}") if one["reason"] == "notice"]

    def test_a_notice_whose_workflow_is_not_there_is_a_dead_letter_and_is_told_later(self):
        self.work_without_letters()
        failed = [self.start("fails") for _ in range(3)]
        baton.wait_for(lambda: len(self.letters_of_notices()) == 3, "each is a dead letter")
        self.server.kill()
        self.server.start()
        letters = self.letters_of_notices()  # one may be there twice, or come once more: the server was killed
        self.assertEqual({json.loads(one["message"]["body"])["notice"]["run"] for one in letters}, set(failed))
        self.assertEqual({(one["task"], one["error_type"], one["run"]) for one in letters}, {("notice-mail", "baton.notice", None)})
        self.assertIn("there is no workflow 'notice-mail'", letters[0]["error"]["detail"])
        # Still not there: it stays, and who asks is told why.
        refused = self.server.baton("dead", "redrive", str(letters[0]["id"]))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("there is no workflow 'notice-mail'", refused.stderr)
        self.assertIn(letters[0]["id"], [one["id"] for one in self.letters_of_notices()])

        self.server.baton("deploy", str(NOTICES / "notice-mail.toml"), check=0)

        def none_is_left():
            self.server.http_json(self.server.http, "/api/dead/jobs", {"action": "redrive", "task": "notice-mail"})
            return not self.letters_of_notices()
        baton.wait_for(none_is_left, "all are sent again", pause=0.5)
        notices = self.server.http_json(self.server.http, "/api/runs?workflow=notice-mail")
        self.assertEqual(len(notices), 3)
        told = {self.server.http_json(self.server.http, "/api/runs/" + one["id"])["input"]["notice"]["run"] for one in notices}
        self.assertEqual(told, set(failed))

    def work_without_letters(self):
        def perform():
            channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()

            def fail(channel, method, task, body):
                channel.basic_publish("", task.reply_to, json.dumps(self.answer[1]), pika.BasicProperties(
                    type="failed", correlation_id=task.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)
            channel.basic_consume("baton.task.notices.try", fail)
            channel.start_consuming()
        threading.Thread(target=perform, daemon=True).start()

    def test_the_workflows_that_come_along_are_sound(self):
        for file in sorted(NOTICES.glob("*.toml")):
            self.server.baton("check", str(file), check=0)
            self.server.baton("deploy", str(file), check=0)
        self.assertEqual(len(list(NOTICES.glob("*.toml"))), 5)

    def test_a_configuration_that_cannot_be_meant_is_refused(self):
        self.server.stop()
        (self.server.home / "baton.toml").write_text('[notify]\nwith = { to = "x" }\n')
        refused = self.server.baton("serve", timeout=30)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("notify.workflow", refused.stderr)


if __name__ == "__main__":
    unittest.main()
