"""Who is asked for an approval, or reminded of it, gets a letter that leads to the page where he answers: each question
once, over kill -9, and several that are asked at once one each."""
import contextlib
import json
import pathlib
import threading
import time
import unittest

import pika
import pika.exceptions

import baton

NOTICES = pathlib.Path(baton.ROOT) / "deploy" / "notices"
ACCESS = """
workflow = "access"
[input]
who = { type = "string", required = true }
[[step]]
id       = "asked"
approval = { title = "Access for ${input.who}?", by = ["ada@example.org", "guest", "role:lead", "nobody"], form = { days = { type = "integer", required = true, description = "so long" } }%s }
timeout  = "1h"
[output]
days     = "${asked.form.days}"
by       = "${asked.by}"
"""
# Asked in one transition; each is a question of its own.
SEVERAL = """
workflow = "several"
[[step]]
id       = "it"
approval = { title = "IT?", by = ["it@example.org"] }
[[step]]
id       = "boss"
after    = []
approval = { title = "Boss?", by = ["boss@example.org"] }
[[step]]
id           = "rounds"
after        = []
for_each     = "[1, 2]"
as           = "round"
max_parallel = 2
[[step.do]]
id       = "asked"
approval = { title = "Round ${round}?", by = ["r${round}@example.org"] }
"""
CONFIG = """
[http]
public_url = "https://baton.example.org/"
[notify.approvals]
workflow = "ask-mail"
with     = { addresses = { guest = "bob@example.com", "role:lead" = "leads@example.org" } }
"""


class AskingTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server()
        self.addCleanup(self.server.close)
        (self.server.home / "baton.toml").write_text(CONFIG)
        self.server.start()
        self.server.baton("deploy", str(NOTICES / "ask-mail.toml"), check=0)
        self.letters = []

    def work(self):
        def perform():
            channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()

            def letter(channel, method, task, body):
                self.letters.append((task.headers["baton-idempotency-key"], json.loads(body)))
                channel.basic_publish("", task.reply_to, body, pika.BasicProperties(
                    type="completed", correlation_id=task.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)
            channel.basic_consume("baton.task.mail.send", letter)
            channel.start_consuming()

        def until_the_server_ends():
            with contextlib.suppress(pika.exceptions.AMQPError):
                perform()
        threading.Thread(target=until_the_server_ends, daemon=True).start()

    def start(self, extra=""):
        self.server.deploy(ACCESS % extra)
        return self.server.baton("run", "access", "--detach", "--set", "who=Eve", check=0).stdout.strip()

    def letters_to(self, address):
        return [letter for _, letter in self.letters if letter["to"] == address]

    def await_letter(self, address):
        baton.wait_for(lambda: self.letters_to(address), f"a letter to {address}")
        return self.letters_to(address)[-1]

    def run_told(self, run):
        return self.server.http_json(self.server.http, f"/api/runs/{run}")

    def asked(self):
        return self.server.http_json(self.server.http, "/baton/v1/approvals")["items"]

    def test_everybody_who_is_asked_is_written_to_and_the_form_is_told(self):
        self.work()
        run = self.start()
        letters = [self.await_letter(one) for one in ("ada@example.org", "bob@example.com", "leads@example.org")]
        self.assertEqual(len(self.letters), 3)  # nobody's address is known to nobody
        for letter in letters:
            self.assertEqual(letter["subject"], "Access for Eve?")
            self.assertIn("https://baton.example.org/approvals\n", letter["text"])
            self.assertIn(run, letter["text"])
        [asked] = self.asked()
        self.assertEqual(asked["form"]["properties"]["days"], {"type": "integer", "description": "so long"})
        self.assertEqual((asked["form"]["required"], asked["votes"], asked["mine"]), (["days"], [], True))
        self.server.baton("approve", run, "asked", "--form", '{"days": 14}', check=0)
        baton.wait_for(lambda: self.run_told(run)["status"] == "completed", "it goes on")
        self.assertEqual(self.run_told(run)["output"], {"days": 14, "by": "guest"})

    def test_questions_of_one_moment_are_each_asked(self):
        self.work()
        self.server.deploy(SEVERAL)
        self.server.baton("run", "several", "--detach", check=0)
        wanted = {"it@example.org": "IT?", "boss@example.org": "Boss?", "r1@example.org": "Round 1?", "r2@example.org": "Round 2?"}
        baton.wait_for(lambda: {letter["to"]: letter["subject"] for _, letter in self.letters} == wanted, "all four are asked")
        time.sleep(0.5)
        self.assertEqual(len(self.letters), 4)

    def test_a_question_outlives_kill_9_and_is_asked_once(self):
        runs = []
        for _ in range(3):
            self.work()
            runs += [self.start() for _ in range(2)]
            time.sleep(0.2)  # anywhere between the approval and the run that asks
            self.server.kill()
            self.server.start()
        self.work()
        baton.wait_for(lambda: len({key for key, letter in self.letters if letter["to"] == "ada@example.org"}) == 6, "six are asked", 60)
        time.sleep(1)
        asking = self.server.http_json(self.server.http, "/api/runs?workflow=ask-mail&limit=100")
        self.assertEqual(len(asking), 6)
        for run in runs:
            self.assertEqual(len({key for key, letter in self.letters if letter["to"] == "ada@example.org" and run in letter["text"]}), 1)

    def test_a_reminder_is_a_letter_too(self):
        self.work()
        self.start(', remind = "1s"')
        baton.wait_for(lambda: len(self.letters_to("ada@example.org")) >= 2, "he is reminded")
        self.assertEqual([letter["subject"] for letter in self.letters_to("ada@example.org")][:2], ["Access for Eve?", "Still waiting: Access for Eve?"])

    def test_where_several_must_agree_each_answer_is_seen(self):
        self.server.deploy((ACCESS % "").replace("form = {", "quorum = 2, form = {"))
        run = self.server.baton("run", "access", "--detach", "--set", "who=Eve", check=0).stdout.strip()
        baton.wait_for(self.asked, "it asks")
        self.server.baton("approve", run, "asked", "--form", '{"days": 3}', check=0)
        [asked] = self.asked()
        self.assertEqual([(vote["by"], vote["approves"], vote["form"]) for vote in asked["votes"]], [("guest", True, {"days": 3})])

    def test_what_cannot_be_meant_is_refused_at_the_start(self):
        self.server.stop()
        for text, said in (('[notify.approvals]\nworkflow = "ask-mail"\n', "http.public_url"), ('[notify.approvals]\nwith = { a = 1 }\n', "notify.approvals.workflow"),
                           ('[http]\npublic_url = "baton.example.org"\n', "https://baton.example.org"), ('[http]\npublic_url = "https://x/?a"\n', "where people reach the page"),
                           ('[http]\npublic_url = "https://x/below/"\n', "where people reach the page")):
            (self.server.home / "baton.toml").write_text(text)
            refused = self.server.baton("serve", timeout=30)
            self.assertEqual(refused.returncode, 2, text)
            self.assertIn(said, refused.stderr)

    def test_without_its_workflow_the_question_is_a_dead_letter_and_asked_later(self):
        self.server.baton("undeploy", "ask-mail", check=0)
        self.work()
        run = self.start()

        def letters():
            return [one for one in self.server.http_json(self.server.http, "/api/dead?state=open") if one["reason"] == "notice"]
        baton.wait_for(letters, "it is a dead letter")
        self.assertEqual(json.loads(letters()[0]["message"]["body"])["notice"]["run"], run)
        self.server.baton("deploy", str(NOTICES / "ask-mail.toml"), check=0)
        self.server.baton("dead", "redrive", str(letters()[0]["id"]), check=0)
        self.assertIn(run, self.await_letter("ada@example.org")["text"])


if __name__ == "__main__":
    unittest.main()
