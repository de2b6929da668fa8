"""The workers of examples/, each in its language, on the embedded broker and on a RabbitMQ: they wait for
their queue, see the headers, outlive heartbeats and go on after kill -9 of the broker."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import pika

import baton

sys.path.append(str(baton.ROOT / "tests" / "conformance"))
import brokers  # noqa: E402

EXAMPLES = baton.ROOT / "examples"
# Handlers take longer than two of them: a worker that is silent meanwhile is cut off.
HEARTBEAT = "?heartbeat=1"

WORKFLOW = """
workflow = "greet-{name}"
[input]
who = {{ type = "string", required = true }}
[defaults]
retry = {{ max_attempts = 5, initial_interval = "200ms" }}
[[step]]
id = "long"
task = "hello.{name}"
with = {{ name = "${{input.who}}", seconds = 3.5 }}
[[step]]
id = "guarded"
after = []
task = "hello.{name}"
with = {{ name = "${{input.who}}", seconds = 5 }}
timeout = {{ heartbeat = "2s", start_to_close = "60s" }}
[[step]]
id = "wrong"
after = []
task = "hello.{name}"
catch = [ {{ error = "invalid_input", output = {{ detail = "${{error.detail}}" }} }} ]
[output]
long = "${{long}}"
guarded = "${{guarded}}"
wrong = "${{wrong.detail}}"
"""


def languages(folder):
    """Name to command, and what is missing for the others."""
    found, missing = {}, {}

    def offer(name, programs, command):
        absent = [program for program in programs if not shutil.which(program) and not os.path.exists(program)]
        if absent:
            missing[name] = absent
        else:
            found[name] = command
    modules = pathlib.Path(__file__).resolve().parent / "node" / "node_modules"
    offer("python", ["/usr/lib/python3/dist-packages/pika"], ["/usr/bin/python3", "-u", str(EXAMPLES / "python" / "worker.py")])
    # Node looks for packages beside the program.
    shutil.copy(EXAMPLES / "node" / "worker.mjs", folder)
    if modules.exists():
        (folder / "node_modules").symlink_to(modules)
    offer("node", ["node", str(modules)], ["node", str(folder / "worker.mjs")])
    offer("ruby", ["ruby", "/usr/share/doc/ruby-bunny"],
          ["ruby", str(EXAMPLES / "ruby" / "worker.rb")])
    offer("php", ["php", "/usr/share/php/PhpAmqpLib/autoload.php"], ["php", str(EXAMPLES / "php" / "worker.php")])
    for_c = ["cc", "/usr/include/amqp.h", "/usr/include/cjson/cJSON.h"]
    offer("c", for_c, [str(folder / "worker"), "hello.c"])
    if "c" in found:
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                        "-o", str(folder / "worker"), str(EXAMPLES / "c" / "worker.c"), "-lrabbitmq", "-lcjson"], check=True, timeout=60)
    offer("shell", [*for_c, "jq"], [str(folder / "worker"), "hello.shell", str(EXAMPLES / "shell" / "greet.sh")])
    return found, missing


class ExampleWorkersTest(unittest.TestCase):
    def begin(self, server, broker_url):
        self.server, self.url = server, broker_url
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-examples-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.commands, missing = languages(self.folder)
        for name, absent in missing.items():
            print(f"left out: {name}, since {', '.join(absent)} is not installed")
        self.assertTrue(self.commands, "no language at all is installed")
        self.workers = {}
        self.addCleanup(self.end_workers)
        for name, command in self.commands.items():
            env = dict(os.environ, BATON_AMQP=broker_url + HEARTBEAT, BATON_TASK=f"hello.{name}")
            with open(self.folder / f"{name}.log", "wb") as log:
                self.workers[name] = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end_workers(self):
        for worker in self.workers.values():
            worker.kill()
            worker.wait()

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def await_word(self, word, count=1):
        for name in self.workers:
            try:
                baton.wait_for(lambda: self.log(name).count(word) >= count, f"the {name} worker says '{word}'", 30)
            except AssertionError as late:
                raise AssertionError(f"{late}\n{self.log(name)}")

    def deploy(self):
        for name in self.workers:
            self.server.deploy(WORKFLOW.format(name=name))

    def start_runs(self, who):
        return {name: self.server.http_json(self.server.http, "/api/runs", {"workflow": f"greet-{name}", "input": {"who": who}})["run"]
                for name in self.workers}

    def await_runs(self, runs, who):
        for name, run in runs.items():
            def ended():
                shown = self.server.http_json(self.server.http, f"/api/runs/{run}")
                return shown if shown["status"] not in ("running", "compensating") else None
            try:
                shown = baton.wait_for(ended, f"the run of {name} ends", 60, pause=0.2)
                self.assertEqual(shown["status"], "completed", shown)
                for step in ("long", "guarded"):
                    self.assertEqual(shown["output"][step]["text"], f"Hello, {who}")
                    self.assertEqual(shown["output"][step]["run"], run)
                    self.assertIn(run, shown["output"][step]["key"])
                self.assertEqual(shown["output"]["wrong"], "'name' is missing")
            except AssertionError as failed:
                raise AssertionError(f"{name}: {failed}\n-- worker --\n{self.log(name)[-3000:]}")
        return True

    def call_without_headers(self, url):
        """As any RPC client does it: no header at all, and a body that is no JSON."""
        connection = pika.BlockingConnection(pika.URLParameters(url))
        self.addCleanup(lambda: connection.is_open and connection.close())
        channel = connection.channel()
        answers = channel.queue_declare("", exclusive=True).method.queue
        for name in self.workers:
            for case, body in (("call", '{"name": "Eve"}'), ("rubbish", "{name")):
                channel.basic_publish("", f"baton.task.hello.{name}", body,
                                      pika.BasicProperties(reply_to=answers, correlation_id=f"{case} {name}"))
        said = {}
        for _, properties, body in channel.consume(answers, auto_ack=True, inactivity_timeout=20):
            self.assertIsNotNone(properties, f"answers came only to {sorted(said)}")
            self.assertNotIn(properties.correlation_id, said, "more than one answer")
            said[properties.correlation_id] = properties.type, json.loads(body)
            if len(said) == 2 * len(self.workers):
                break
        for name in self.workers:
            kind, result = said[f"call {name}"]
            self.assertEqual((kind, result.get("text")), ("completed", "Hello, Eve"), f"{name}: {result}")
            self.assertEqual(said[f"rubbish {name}"][0], "failed", name)
        connection.close()

    def live_through(self, crash):
        self.await_word("waiting")
        self.assertNotIn("ready", "".join(self.log(name) for name in self.workers))
        self.deploy()
        self.await_word("ready")
        runs = self.start_runs("Ada")
        self.await_runs(runs, "Ada")
        attempts = {name: [len(step["attempts"]) for step in self.server.http_json(self.server.http, f"/api/runs/{run}")["steps"]]
                    for name, run in runs.items()}
        self.assertEqual(attempts, {name: [1, 1, 1] for name in runs}, "a handler longer than two heartbeats was begun again")
        for name in self.workers:
            self.assertEqual(self.log(name).count("ready"), 1, f"the {name} worker lost its connection:\n{self.log(name)}")
        runs = self.start_runs("Bob")
        time.sleep(1)
        crash()
        self.await_word("ready", 2)
        self.call_without_headers(self.url)
        self.await_runs(runs, "Bob")
        for name in self.workers:
            self.assertNotIn("Sanitizer", self.log(name))

    def test_on_the_embedded_broker(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        self.begin(server, server.env["BATON_AMQP"])

        def crash():
            server.kill()
            server.start()
        self.live_through(crash)

    def test_on_a_rabbitmq(self):
        if not os.path.exists(brokers.RABBITMQ):
            self.skipTest("RabbitMQ is not installed")
        node = brokers.RabbitMq()
        self.addCleanup(node.close)
        server = baton.Server(env={"BATON_BROKER_URL": node.url})
        server.amqp = node.port
        self.addCleanup(server.close)
        server.start()
        self.begin(server, node.url)

        def crash():
            node.kill()
            node.start()
        self.live_through(crash)


if __name__ == "__main__":
    unittest.main()
