"""The main job through the whole house: real server, real workers, the sandbox as the target."""
import json
import subprocess
import sys
import unittest

import pika

import baton
import house

ADA = ("--set", "email=ada@example.org", "--set", "first_name=Ada", "--set", "last_name=Lovelace")


class ProvisionTest(unittest.TestCase):
    def setUp(self):
        self.house = house.House()
        self.addCleanup(self.house.close)
        self.house.start()
        self.server = self.house.server

    def state(self):
        return self.server.sandbox_state()

    def failing(self, call, **fault):
        self.server.set_fault(call, fault)

    def working(self, call):
        self.server.set_fault(call, None)

    def quick_workflow(self):
        """provision-user with short pauses between attempts."""
        text = (baton.ROOT / "workflows" / "provision-user.toml").read_text()
        text = text.replace('"2s"', '"20ms"').replace('"5m"', '"100ms"')
        self.server.deploy(text)

    def test_a_user_is_provisioned_everywhere(self):
        done = self.server.baton("run", "provision-user", *ADA)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.house.logs())
        for step in ("mailbox", "account", "invite"):
            self.assertIn(step, done.stdout)
        state = self.state()
        self.assertIn("ada@example.org", json.dumps(state["mailboxes"]))
        self.assertIn("ada", json.dumps(state["redmine_users"]))
        self.assertIn("ada@example.org", json.dumps(state["slack_users"]))
        run = self.server.json("runs")[0]
        for key in ("id", "workflow", "version", "status", "started_at", "closed_at"):
            self.assertIn(key, run)
        self.assertEqual((run["workflow"], run["version"], run["status"]), ("provision-user", 1, "completed"))

    def test_a_slack_that_fails_for_good_undoes_everything_newest_first(self):
        self.quick_workflow()
        self.failing("slack.invite", mode="fail", error="fatal_error")
        done = self.server.baton("run", "provision-user", *ADA)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("compensated", done.stdout)
        run = self.server.json("show", self.server.json("runs")[0]["id"])
        self.assertEqual(run["status"], "compensated")
        steps = {(s["step"], s["undo"]): s for s in run["steps"]}
        self.assertEqual(len(steps["invite", False]["attempts"]), 8)
        for attempt in steps["invite", False]["attempts"]:
            self.assertEqual(attempt["outcome"], "failed")
            self.assertTrue(attempt["dispatched_at"] and attempt["closed_at"])
        undone = [steps["account", True]["attempts"][-1], steps["mailbox", True]["attempts"][-1]]
        self.assertEqual([u["outcome"] for u in undone], ["completed", "completed"])
        self.assertLessEqual(undone[0]["closed_at"], undone[1]["dispatched_at"])
        state = self.state()
        self.assertNotIn("ada@example.org", json.dumps(state["mailboxes"]))
        locked = [u for u in state["redmine_users"] if u["mail"] == "ada@example.org"]
        self.assertEqual([u["status"] for u in locked], [3])

    def test_a_passing_trouble_is_retried(self):
        self.quick_workflow()
        self.failing("redmine.create_user", mode="fail", status=503, times=2)
        done = self.server.baton("run", "provision-user", *ADA)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        run = self.server.json("show", self.server.json("runs")[0]["id"])
        attempts = next(s for s in run["steps"] if s["step"] == "account")["attempts"]
        self.assertEqual([a["outcome"] for a in attempts], ["failed", "failed", "completed"])

    def test_somebody_already_in_slack_is_caught(self):
        self.server.http_json(self.server.sandbox, "/sandbox/seed", {"slack_users": [{"email": "ada@example.org"}]})
        done = self.server.baton("call", "slack.invite", "--with", '{"email":"ada@example.org","channels":["general"]}')
        self.assertEqual(done.returncode, 1)
        self.assertIn("already_in_team", done.stderr)
        member = self.state()["slack_users"][0]["id"]
        done = self.server.baton("run", "provision-user", *ADA)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.server.json("show", self.server.json("runs")[0]["id"])["output"]["slack"], member)

    def test_the_same_address_is_provisioned_once(self):
        first = self.server.json("run", "provision-user", *ADA)
        again = self.server.json("run", "provision-user", *ADA)
        self.assertEqual(first["id"], again["id"])
        self.assertEqual(len(self.server.json("runs")), 1)

    def test_a_wrong_input_is_refused_with_reasons(self):
        done = self.server.baton("run", "provision-user", "--set", "email=nonsense", "--set", "frist_name=A")
        self.assertEqual(done.returncode, 2)
        for text in ("email", "first_name", "last_name", "frist_name"):
            self.assertIn(text, done.stderr)

    def test_calling_a_task_without_a_workflow(self):
        done = self.server.baton("call", "mail.create", "--with", '{"address":"bob@example.org","name":"Bob"}', "--json", check=0)
        self.assertEqual(json.loads(done.stdout)["result"]["address"], "bob@example.org")
        self.assertIn("bob@example.org", json.dumps(self.state()["mailboxes"]))
        done = self.server.baton("call", "no.such_task", "--with", "{}", "--timeout", "2s")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no.such_task", done.stderr)

    def test_calling_a_task_with_ten_lines_of_pika(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        reply_to = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("baton.task", "mail.create", json.dumps({"address": "eve@example.org", "name": "Eve"}),
                              pika.BasicProperties(reply_to=reply_to, correlation_id="42", content_type="application/json"))
        for method, properties, body in channel.consume(reply_to, auto_ack=True, inactivity_timeout=15):
            self.assertIsNotNone(method, "no reply\n" + self.house.logs())
            break
        self.assertEqual((properties.correlation_id, properties.type), ("42", "completed"))
        self.assertEqual(json.loads(body)["address"], "eve@example.org")
        connection.close()

    def test_a_rejected_task_becomes_a_dead_letter_that_can_be_sent_again(self):
        self.server.deploy('workflow = "odd"\n[[step]]\nid = "one"\ntask = "odd.job"\nwith = { n = 1 }\nretry = { max_attempts = 1 }\n[output]\ngot = "${one.got}"\n')
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        run = self.server.baton("run", "odd", "--detach", check=0).stdout.strip()
        method, properties, body = baton.wait_for(
            lambda: (lambda got: got if got[0] else None)(channel.basic_get("baton.task.odd.job")), "the task comes", 20)
        self.assertEqual(json.loads(body), {"n": 1})
        channel.basic_reject(method.delivery_tag, requeue=False)
        letters = baton.wait_for(lambda: self.server.json("dead", "list"), "the dead letter shows", 20)
        self.assertEqual((letters[0]["task"], letters[0]["run"], letters[0]["step"]), ("odd.job", run, "one"))
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "failed", "the run fails", 20)

        self.server.baton("dead", "redrive", str(letters[0]["id"]), check=0)
        method, properties, body = baton.wait_for(
            lambda: (lambda got: got if got[0] else None)(channel.basic_get("baton.task.odd.job")), "the task comes again", 20)
        channel.basic_publish("", properties.reply_to, json.dumps({"got": "it"}),
                              pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes", 20)
        self.assertEqual(self.server.json("show", run)["output"], {"got": "it"})
        self.assertEqual(self.server.json("dead", "list"), [])
        connection.close()

    def test_a_task_that_kills_its_worker_again_and_again_becomes_a_dead_letter(self):
        self.server.deploy('workflow = "poison"\n[[step]]\nid = "one"\ntask = "poison.job"\nretry = { max_attempts = 1 }\n')
        run = self.server.baton("run", "poison", "--detach", check=0).stdout.strip()

        # A worker that dies with the task in its hands.
        worker = ("import os, pika, sys\n"
                  "channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()\n"
                  "channel.basic_get('baton.task.poison.job')\n"
                  "os.kill(os.getpid(), 9)\n")

        def die():
            subprocess.run([sys.executable, "-c", worker, self.server.env["BATON_AMQP"]])
            return self.server.json("dead", "list")
        letters = baton.wait_for(die, "the broker gives up", 60, pause=0.1)
        self.assertEqual((letters[0]["task"], letters[0]["run"]), ("poison.job", run))
        self.assertEqual(letters[0]["error_type"], "baton.poison")
        self.assertEqual(self.server.json("show", run)["status"], "failed")

    def test_cancel_undoes_and_retry_goes_on(self):
        text = (baton.ROOT / "workflows" / "provision-user.toml").read_text()
        (self.server.home / "w.toml").write_text('on_cancel = "compensate"\n' + text)
        self.server.baton("deploy", str(self.server.home / "w.toml"), check=0)
        self.failing("slack.invite", mode="fail", status=503)
        run = self.server.baton("run", "provision-user", *ADA, "--detach", check=0).stdout.strip()
        baton.wait_for(lambda: "invite" in json.dumps(self.server.json("show", run)["steps"]), "the run reaches Slack", 30)
        self.server.baton("cancel", run, "--reason", "wrong person", check=0)
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "cancelled", "the run is cancelled", 30)
        self.assertNotIn("ada@example.org", json.dumps(self.state()["mailboxes"]))

    def test_a_failed_run_goes_on_after_retry(self):
        (self.server.home / "w.toml").write_text(
            'workflow = "note"\n[[step]]\nid = "post"\ntask = "slack.post"\n'
            'with = { channel = "#general", text = "hello" }\nretry = { max_attempts = 1 }\n')
        self.server.baton("deploy", str(self.server.home / "w.toml"), check=0)
        self.failing("slack.post", mode="fail", status=503)
        self.assertEqual(self.server.baton("run", "note").returncode, 1)
        self.working("slack.post")
        run = self.server.json("runs")[0]["id"]
        self.server.baton("retry", run, check=0)
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes", 30)

    def test_a_run_keeps_the_version_it_started_with(self):
        path = self.server.home / "v.toml"
        body = '[[step]]\nid = "one"\ntask = "v.job"\n[output]\nsaid = "{}"\n'
        path.write_text('workflow = "v"\n' + body.format("first"))
        self.server.baton("deploy", str(path), check=0)
        old = self.server.baton("run", "v", "--detach", check=0).stdout.strip()
        path.write_text('workflow = "v"\n' + body.format("second"))
        self.server.baton("deploy", str(path), check=0)
        new = self.server.baton("run", "v", "--detach", check=0).stdout.strip()
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        for _ in range(2):
            method, properties, _ = baton.wait_for(
                lambda: (lambda got: got if got[0] else None)(channel.basic_get("baton.task.v.job")), "a task comes", 20)
            channel.basic_publish("", properties.reply_to, "{}", pika.BasicProperties(correlation_id=properties.correlation_id))
            channel.basic_ack(method.delivery_tag)
        for run, version, said in ((old, 1, "first"), (new, 2, "second")):
            baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes", 20)
            shown = self.server.json("show", run)
            self.assertEqual((shown["version"], shown["output"]["said"]), (version, said))
        connection.close()


if __name__ == "__main__":
    unittest.main()
