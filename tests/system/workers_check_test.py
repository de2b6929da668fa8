"""`baton worker NAME --check`, what workers announce about themselves, and `baton check` of their parameters, as a
person at a terminal meets them."""
import json
import subprocess
import tempfile
import unittest

import pika

import baton
import house


def run(env, *args):
    return subprocess.run([baton.EXE, *args], env=env, capture_output=True, text=True, timeout=120)


class WorkersCheckTest(unittest.TestCase):
    def setUp(self):
        self.house = house.House()
        self.addCleanup(self.house.close)

    def test_it_says_what_is_missing_by_line_json_and_exit_code(self):
        self.house.start()
        env = self.house.worker_env
        fine = run(env, "worker", "mail", "redmine", "slack", "--check")
        self.assertEqual(fine.returncode, 0, fine.stdout + fine.stderr)
        self.assertNotIn("MISSING", fine.stdout)
        self.assertIn("all 12 are there and may be read", run(env, "worker", "mail", "--check").stdout)
        wrong = run(dict(env, BATON_SLACK_TOKEN="wrong"), "worker", "slack", "redmine", "--check", "--json")
        self.assertEqual(wrong.returncode, 1)
        missing = [one for one in json.loads(wrong.stdout) if not one["ok"]]
        self.assertEqual([(one["worker"], one["what"]) for one in missing], [("slack", "BATON_SLACK_TOKEN")])
        self.assertTrue(missing[0]["advice"])
        self.assertEqual(run(dict(env, BATON_REDMINE_URL="no url"), "worker", "redmine", "--check").returncode, 1)
        self.assertEqual(run(env, "worker", "nobody", "--check").returncode, 2)

    def test_workers_announce_their_tasks_with_schemas(self):
        self.house.server.start()
        connection = pika.BlockingConnection(pika.URLParameters(self.house.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "baton.announce", "redmine.#")
        self.house.start_worker("redmine")
        told = {}

        def heard():
            _, properties, body = channel.basic_get(queue, auto_ack=True)
            if properties:
                about = json.loads(body)
                told[about["task"]] = about
            return "redmine.comment" in told
        baton.wait_for(heard, "the worker announces its tasks", 30, pause=0.05)
        lock = told["redmine.lock_user"]
        self.assertEqual(lock["queue"], "baton.task.redmine.lock_user")
        self.assertTrue(lock["worker"].startswith("redmine@"))
        self.assertIn("only_if_created_by", lock["parameters"]["properties"])
        self.assertIs(lock["parameters"]["additionalProperties"], False)
        self.assertIn("locked", lock["result"]["properties"])


    def test_check_asks_a_server_who_serves_what_and_what_it_gives(self):
        self.house.start()
        server = self.house.server
        connection = pika.BlockingConnection(pika.URLParameters(self.house.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        channel.queue_declare("baton.task.plain.task", durable=True)
        channel.basic_consume("baton.task.plain.task", lambda *_: None)  # serves it, and announces nothing
        channel.queue_declare("baton.task.count.all", durable=True)
        channel.basic_consume("baton.task.count.all", lambda *_: None)
        result = {"type": "object", "properties": {"sum": {"type": "integer"}, "unit": {"type": "string"}}}
        channel.basic_publish("baton.announce", "count.all", json.dumps(
            {"task": "count.all", "worker": "counter", "queue": "baton.task.count.all", "result": result}).encode())
        file = server.home / "asked.toml"
        file.write_text("""workflow = "asked"
[[step]]
id = "box"
task = "mail.crate"
[[step]]
id = "own"
task = "plain.task"
[[step]]
id = "account"
task = "redmine.create_user"
with = { mail = "ada@example.org" }
[[step]]
id = "count"
task = "count.all"
[[step]]
id = "note"
task = "plain.task"
with = { id = "${account.idd}", sum = "${count.sum + 'x'}", unit = "${count.unit.lower()}" }
""")
        # A worker is known when its announcement has come.
        told = lambda: {one["task"] for one in server.http_json(server.http, "/api/tasks")}
        baton.wait_for(lambda: {"redmine.create_user", "mail.create", "count.all"} <= told(), "they are announced")
        said = json.loads(server.baton("check", "--server", "--json", str(file), check=0).stdout)
        found = sorted((one["line"], one["message"], one["hint"]) for one in said)
        self.assertEqual(found[0], (4, "nobody serves 'mail.crate' on this server just now", "did you mean 'mail.create'?"))
        self.assertEqual(found[1], (18, "no such overload: int + string; convert with string(..)", "that is what the worker says of its result"))
        self.assertEqual(found[2], (18, "redmine.create_user says of no 'idd' that it gives it", "did you mean 'id'?"))
        self.assertEqual(len(found), 3, found)

    def test_the_workers_of_a_file_are_run_by_the_executable(self):
        self.house.server.start()
        file = self.house.server.home / "workers.toml"
        file.write_text(f"""[[target]]
name = "self"
url = "http://127.0.0.1:{self.house.server.http}/api"
[[program]]
task = "greet.somebody"
command = ["/bin/sh", "-c", "read line; echo '{{\\"greeted\\": true}}'"]
[[program]]
jq = "/usr/bin/jq"
""")
        env = dict(self.house.worker_env, BATON_WORKER_FILE=str(file))
        worker = self.house.workers["http exec"] = self.house.spawn("worker", "http", "exec", env)
        ask = ["call", "greet.somebody", "--with", "{}", "--timeout", "20s"]
        baton.wait_for(lambda: worker.poll() is not None or self.house.server.baton(*ask).returncode == 0, "the program is run", 40)
        self.assertIsNone(worker.poll(), self.house.logs())
        self.assertEqual(json.loads(self.house.server.baton(*ask, check=0).stdout), {"greeted": True})
        health = self.house.server.baton("call", "http.call", "--with", '{"target": "self", "path": "/health"}', check=0)
        self.assertEqual(json.loads(health.stdout)["status"], 200)
        self.assertNotIn("nobody reads this variable", self.house.logs())
        # The words of the language for them.
        self.house.server.deploy('''workflow = "words"
[[step]]
id = "health"
http = { target = "self", path = "/health" }
[[step]]
id = "shaped"
transform = "{keys: (.body | keys | length), status}"
with = { body = "${health.body}", status = "${health.status}" }
[output]
shaped = "${shaped}"
''')
        run = self.house.server.http_json(self.house.server.http, "/api/runs", {"workflow": "words", "input": {}})["run"]
        row = lambda: self.house.server.http_json(self.house.server.http, "/api/runs/" + run)
        baton.wait_for(lambda: row()["status"] == "completed", "both are done")
        self.assertEqual(row()["output"]["shaped"]["status"], 200)
        self.assertGreater(row()["output"]["shaped"]["keys"], 0)


class ParametersCheckTest(unittest.TestCase):
    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([baton.EXE, "check", "--json", file.name], capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout)

    def test_unknown_and_missing_parameters_are_warnings_in_steps_and_undos(self):
        code, said = self.check('''workflow = "w"
[[step]]
id = "box"
task = "mail.create"
with = { adress = "a@example.org", id = "a@example.org" }
compensate = { task = "mail.delete", with = { id = "x", only_if_createdby = "y" } }
[[step]]
id = "both"
[[step.parallel]]
id = "ask"
task = "slack.invite"
[[step.parallel]]
id = "own"
task = "invoice.print"
with = { anything = 1 }
''')
        self.assertEqual(code, 0, said)
        self.assertEqual([(one["severity"], one["line"], one["message"], one["hint"]) for one in said], [
            ("warning", 5, "mail.create has no parameter 'adress'", "did you mean 'address'?"),
            ("warning", 6, "mail.delete has no parameter 'only_if_createdby'", "did you mean 'only_if_created_by'?"),
            ("warning", 11, "slack.invite needs the parameter 'email'", "")])

    def test_the_shipped_workflows_are_without_a_warning(self):
        for path in sorted((baton.ROOT / "workflows").glob("*.toml")):
            if not path.name.endswith(".test.toml"):
                done = subprocess.run([baton.EXE, "check", "--json", str(path)], capture_output=True, text=True, timeout=60)
                self.assertEqual(json.loads(done.stdout), [], path.name)


if __name__ == "__main__":
    unittest.main()
