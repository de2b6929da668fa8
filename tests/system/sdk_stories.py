"""What every SDK's worker must live through, told once: the tests of the SDKs bring the command of a worker that
performs the tasks of sdk/worker.py."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import pika

import baton

STEP = """
workflow = "{prefix}-{name}"
[input]
n = {{ type = "integer", default = 0 }}
[defaults]
retry = {{ max_attempts = 1, initial_interval = "100ms" }}
[[step]]
id = "a"
task = "{prefix}.{task}"
{more}
[output]
a = "${{a}}"
"""

WORKFLOWS = [
    ("slow", "slow", 'with = { n = "${input.n}", seconds = 60 }\ntimeout = "50s"'),
    ("short", "slow", 'with = { n = "${input.n}", seconds = 60 }\ntimeout = "1s"'),
    ("stubborn", "stubborn", 'with = { seconds = 2.5 }\ntimeout = "5m"'),
    ("guarded", "stubborn", 'with = { seconds = 2.5 }\ntimeout = { start_to_close = "5m", heartbeat = "1s" }\nretry = { max_attempts = 9 }'),
    ("steps", "steps", 'with = { count = 25 }\ntimeout = { start_to_close = "60s", heartbeat = "1s" }\nretry = { max_attempts = 3 }'),
    ("later", "later", "with = {}"),
    ("busy", "busy", "with = {}"),
    ("once", "once", "idempotency_key = \"'the-same'\""),
    ("strict", "strict", 'with = { address = "a@example.org", quota = 5 }'),
    ("count", "count", 'with = { n = "${input.n}" }\nretry = { max_attempts = 10 }'),
]


class Stories:
    """Mixed into a test class; `command` starts a worker, `env` is what it needs beside the usual."""
    command, env, prefix = (), {}, "sdk"
    counts_at_once = True  # the broker tells how many messages wait without delay

    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        # What docs/workers.md says a worker's own user needs.
        self.server.baton("ctl", "add_user", "worker", "secret", check=0)
        self.server.baton("ctl", "set_permissions", "-p", "/", "worker", r"^amq\.gen", r"^(amq\.(default$|gen)|baton\.announce$)",
                          rf"^(baton\.task\.{self.prefix}\.|baton\.control$|amq\.gen)", check=0)
        self.settle_in(f"amqp://worker:secret@127.0.0.1:{self.server.amqp}/")

    def settle_in(self, worker_url):
        self.worker_url = worker_url
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-sdk-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.workers = []
        self.addCleanup(self.end_workers)

    def end_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()

    # --- what the stories are told with

    def start_worker(self, **more):
        env = dict(os.environ, BATON_AMQP=self.worker_url, SDK_FOLDER=str(self.folder), SDK_PREFIX=self.prefix, **self.env, **more)
        with open(self.folder / "log", "ab") as log:
            worker = subprocess.Popen([*self.command], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self, worker):
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def deploy(self):
        paths = [self.folder / f"{name}.toml" for name, _, _ in WORKFLOWS]
        for path, (name, task, more) in zip(paths, WORKFLOWS):
            path.write_text(STEP.format(prefix=self.prefix, name=name, task=task, more=more))
        self.server.baton("deploy", *map(str, paths), check=0)

    def await_ready(self, count=1):
        def ready():
            return all(self.log().count(f"ready for {self.prefix}.{task}") >= count for _, task, _ in WORKFLOWS)
        self.wait(ready, "the worker is ready")

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def begin(self, workflow, n=0):
        return self.server.http_json(self.server.http, "/api/runs", {"workflow": f"{self.prefix}-{workflow}", "input": {"n": n}})["run"]

    def shown(self, run):
        return self.server.http_json(self.server.http, f"/api/runs/{run}")

    def wait(self, condition, what, timeout=30):
        try:
            return baton.wait_for(condition, what, timeout, pause=0.05)
        except AssertionError as late:
            raise AssertionError(f"{late}\n-- the worker's log --\n{self.log()[-6000:]}")

    def ended(self, run, status="completed", timeout=30):
        shown = self.wait(lambda: (lambda s: s if s["closed_at"] else None)(self.shown(run)), f"the run {run} ends", timeout)
        self.assertEqual(shown["status"], status, f"{shown}\n{self.log()[-4000:]}")
        return shown

    def channel(self):
        return pika.BlockingConnection(pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{self.server.amqp}/")).channel()

    def attempts(self, shown):
        return [(attempt["attempt"], attempt["outcome"]) for attempt in shown["steps"][0]["attempts"]]

    # --- the stories

    def tell_waiting(self):
        """The worker is there before any workflow."""
        first = self.start_worker()
        self.wait(lambda: "waiting for a workflow" in self.log(), "the worker waits")
        self.deploy()
        self.await_ready()
        return first

    def offered(self):
        """Tasks of this SDK that the server knows from what workers announced."""
        return {one["task"]: one for one in self.server.http_json(self.server.http, "/api/tasks")
                if one["task"].startswith(self.prefix + ".")}

    def tell_announcing(self):
        """Who is there, and what its tasks take, before anything is sent to it."""
        strict = f"{self.prefix}.strict"
        self.wait(lambda: strict in self.offered(), "the worker has announced itself", 45)
        offer = self.offered()[strict]
        self.assertEqual(offer["parameters"]["properties"]["address"], {"type": "string"})
        self.assertEqual(offer["parameters"]["required"], ["address"])
        [name] = offer["workers"]
        [shown] = [one for one in self.server.http_json(self.server.http, "/api/workers") if one["worker"] == name]
        self.assertTrue(name.startswith("sdk-test@"), name)
        self.assertEqual((shown["version"], shown["concurrency"], shown["host"]), ("7.1", 4, socket.gethostname()))
        self.assertEqual({one["task"] for one in shown["tasks"]}, set(self.offered()))
        self.assertIn(name, self.server.baton("workers", strict, check=0).stdout)
        file = self.folder / "wrong.toml"
        file.write_text(f"""workflow = "wrong"
[[step]]
id = "a"
task = "{strict}"
with = {{ adress = "a@example.org", quota_mb = "many" }}
""")
        said = json.loads(self.server.baton("check", "--server", "--json", str(file), check=0).stdout)
        self.assertEqual([one["message"] for one in said], [
            f"{strict} needs the parameter 'address'", f"{strict} has no parameter 'adress'",
            f"{strict}: 'quota_mb' takes a whole number or null, not a text"])
        self.assertEqual(json.loads(self.server.baton("check", "--json", str(file), check=0).stdout), [], "without a server")

    def tell_refusals(self):
        """Unknown parameters, problems of a handler, calls without a workflow."""
        shown = self.ended(self.begin("strict"), "failed")
        self.assertEqual(shown["error_type"], "invalid_input")
        self.assertIn("'quota' is not known; did you mean 'quota_mb'?", shown["error"])
        answer = self.server.baton("call", f"{self.prefix}.strict", "--with", '{"address": "a@example.org"}', check=0).stdout
        self.assertIn("a@example.org", answer)
        refused = self.server.baton("call", f"{self.prefix}.strict", "--with", '{"address": "a@b.c"}')
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("no_such_domain", refused.stdout + refused.stderr)
        refused = self.server.baton("call", f"{self.prefix}.strict", "--with", '{"adress": 7}')
        self.assertIn("'address' is missing", refused.stdout + refused.stderr)

    def tell_plain_calls(self):
        """As any RPC client does it: no header at all; a body that is no JSON; nobody who waits."""
        channel = self.channel()
        answers = channel.queue_declare("", exclusive=True).method.queue
        queue = f"baton.task.{self.prefix}.strict"
        channel.basic_publish("", queue, '{"address": "b@example.org"}')
        channel.basic_publish("", queue, "{", pika.BasicProperties(reply_to=answers, correlation_id="rubbish"))
        channel.basic_publish("", queue, '{"address": "a@example.org"}', pika.BasicProperties(reply_to=answers))
        said = {}
        for _, properties, body in channel.consume(answers, auto_ack=True, inactivity_timeout=20):
            self.assertIsNotNone(properties, f"answers came only to {said}")
            said[properties.correlation_id] = properties.type, json.loads(body)
            if len(said) == 2:
                break
        channel.connection.close()
        self.assertEqual(said[None], ("completed", {"address": "a@example.org"}))
        self.assertEqual((said["rubbish"][0], said["rubbish"][1]["type"]), ("failed", "baton.bad_task"))

    def tell_cancel(self):
        run = self.begin("slow", 1)
        self.wait(lambda: "1" in self.lines("slow"), "the handler runs")
        self.server.http_json(self.server.http, f"/api/runs/{run}/cancel", {"reason": "wrong"})
        self.wait(lambda: self.lines("slow-1") == ["cancelled"], "the handler hears of the cancel", 5)
        self.ended(run, "cancelled")

    def tell_timeout(self):
        began = time.monotonic()
        run = self.begin("short", 2)
        self.wait(lambda: self.lines("slow-2") == ["timeout"], "the handler's time is up", 10)
        self.assertGreater(time.monotonic() - began, 0.9)
        shown = self.ended(run, "failed")
        self.assertEqual(len(shown["steps"][0]["attempts"]), 1)

    def tell_not_now(self):
        """Two refusals of the target, and only one attempt is allowed: it completes."""
        shown = self.ended(self.begin("busy"))
        self.assertEqual(shown["output"]["a"], {"calls": 3})
        told = self.server.json("show", shown["id"])
        sent = [fact for entry in told["history"] for fact in entry["facts"] if fact["fact"] == "task_dispatched"]
        self.assertEqual([fact.get("of_series", fact["attempt"]) for fact in sent], [1, 1, 1], "an attempt was counted")

    def tell_memory(self, worker):
        """Three runs whose steps have one key: the handler is called once, though its worker is killed in between."""
        first, second = self.ended(self.begin("once", 1)), self.ended(self.begin("once", 2))
        self.kill(worker)
        worker = self.start_worker()
        third = self.ended(self.begin("once", 3))
        self.assertEqual(first["output"], second["output"])
        self.assertEqual(first["output"], third["output"])
        self.assertEqual(len(self.lines("once")), 1)
        return worker

    def tell_lost_queue(self):
        """Somebody deletes the queue; the server makes it again, and the worker finds it."""
        ready = f"ready for {self.prefix}.strict"
        before = self.log().count(ready)
        self.server.baton("ctl", "delete_queue", f"baton.task.{self.prefix}.strict", check=0)
        self.wait(lambda: self.log().count(ready) > before, "the worker finds the queue again", 40)
        self.server.baton("call", f"{self.prefix}.strict", "--with", '{"address": "a@example.org"}', check=0)

    def tell_deferred(self):
        run = self.begin("later")
        [handle] = self.wait(lambda: self.lines("later"), "the handler deferred")
        self.wait(lambda: self.shown(run)["steps"][0]["status"] == "deferred", "the server knows that it comes later")
        self.complete(handle, {"signed": True})
        self.assertEqual(self.ended(run)["output"], {"a": {"signed": True}})

    def tell_progress_and_kill(self, worker):
        """kill -9 in the middle of a task that was acked at its beginning: silence gives it to the next worker."""
        run = self.begin("steps")
        self.wait(lambda: self.lines("steps"), "the handler runs")
        time.sleep(1)
        self.kill(worker)
        worker = self.start_worker()
        shown = self.ended(run, timeout=40)
        self.assertEqual(self.attempts(shown), [(1, "failed"), (2, "completed")])
        self.assertEqual(shown["output"]["a"]["attempt"], 2)
        return worker

    def tell_resume(self):
        """As an RPC client asks for it, who sees all that a worker says."""
        channel = self.channel()
        answers = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", f"baton.task.{self.prefix}.steps", '{"count": 9}', pika.BasicProperties(
            reply_to=answers, correlation_id="resume-1", headers={
                "baton-run": "r", "baton-heartbeat": 300, "baton-last-progress": '{"done": 6}', "baton-attempt": 2}))
        said = []
        for _, properties, body in channel.consume(answers, auto_ack=True, inactivity_timeout=20):
            self.assertIsNotNone(properties, f"no answer after {said}")
            self.assertEqual(properties.correlation_id, "resume-1")
            said.append((properties.type, json.loads(body)))
            if properties.type == "completed":
                break
        channel.connection.close()
        self.assertEqual(said[0][0], "started")
        self.assertIn("sdk-test@", said[0][1]["worker"])
        self.assertEqual(said[-1][1], {"first": 6, "attempt": 2})
        self.assertIn(("log", {"level": "info", "text": "all 9"}), said)
        beats = [content for kind, content in said if kind == "heartbeat"]
        self.assertGreater(len(beats), 1)
        self.assertLessEqual({beat["done"] for beat in beats if beat}, {7, 8, 9})

    def tell_restart(self, server):
        """kill -9 of the server (or of the broker alone) in the middle: what a handler found out counts, and it is not called again."""
        runs = [self.begin("stubborn"), self.begin("guarded")]
        self.wait(lambda: len(self.lines("stubborn")) == 2, "the handlers run")
        server.kill()
        server.start()
        self.check_restart(runs)

    def check_restart(self, runs):
        for run in runs:
            shown = self.ended(run, timeout=90)
            self.assertEqual(shown["output"]["a"]["run"], run)
        # Silence of a worker is counted while an outside broker is down: another attempt, answered from memory.
        self.assertEqual(self.attempts(self.shown(runs[0])), [(1, "completed")])
        self.assertEqual(len(self.lines("stubborn")), 2, "a handler was called again")

    def tell_sigterm(self, worker):
        """Four run, the others are held: those are given back at once, these finish."""
        before = len(self.lines("stubborn"))
        runs = [self.begin("stubborn") for _ in range(7)]
        self.wait(lambda: len(self.lines("stubborn")) == before + 4, "four handlers run")
        time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        channel = self.channel()

        def waiting():
            return channel.queue_declare(f"baton.task.{self.prefix}.stubborn", passive=True).method.message_count == 3
        if self.counts_at_once:
            self.wait(waiting, "what did not run is given back", 5)
            self.assertIsNone(worker.poll(), "what did not run was given back no sooner than the rest ended")
        channel.connection.close()
        self.assertEqual(worker.wait(20), 0)
        names = [one["worker"] for one in self.server.http_json(self.server.http, "/api/workers")]
        self.assertFalse([name for name in names if name.endswith(f":{worker.pid}")], "it said goodbye")
        self.assertEqual(sum(self.shown(run)["status"] == "completed" for run in runs), 4)
        worker = self.start_worker()
        for run in runs:
            self.assertEqual(self.attempts(self.ended(run)), [(1, "completed")])
        self.assertEqual(len(self.lines("stubborn")), before + 7)
        return worker

    def tell_end_of_grace(self, worker):
        """A handler that takes longer than the grace ends; its task is somebody else's at once."""
        self.kill(worker)
        worker = self.start_worker(SDK_GRACE="0.5")
        run = self.begin("slow", 9)
        self.wait(lambda: "9" in self.lines("slow"), "the handler runs")
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(8), 0)
        self.assertEqual(self.lines("slow-9"), ["stopping"])
        self.start_worker()
        self.wait(lambda: self.lines("slow").count("9") == 2, "the other worker has it")
        self.server.http_json(self.server.http, f"/api/runs/{run}/cancel", {})
        self.assertEqual(self.attempts(self.ended(run, "cancelled"))[0][0], 1)

    def tell_early_stops(self, times=6):
        """SIGTERM while it takes up its queues one after the other: it ends in good order all the same."""
        for n in range(times):
            self.end_workers()
            before = self.log().count("ready for")
            worker = self.start_worker(SDK_GRACE="0.5")
            self.wait(lambda: self.log().count("ready for") > before + n % 3, "it has begun")
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(worker.wait(15), 0, self.log()[-4000:])

    def tell_all(self):
        worker = self.tell_waiting()
        self.tell_announcing()
        self.tell_refusals()
        self.tell_plain_calls()
        self.tell_cancel()
        self.tell_timeout()
        self.tell_not_now()
        worker = self.tell_memory(worker)
        self.tell_deferred()
        self.tell_resume()
        worker = self.tell_progress_and_kill(worker)
        self.tell_restart(self.server)
        self.tell_lost_queue()
        worker = self.tell_sigterm(worker)
        self.tell_end_of_grace(worker)
        self.tell_early_stops()

    def tell_thousand(self, count=1000):
        """A worker is killed every second; every task is completed, once."""
        self.deploy()
        people = self.folder / "n.jsonl"
        people.write_text("".join(f'{{"n": {n}}}\n' for n in range(count)))
        living = [self.start_worker(), self.start_worker()]
        starting = subprocess.Popen([baton.EXE, "run", f"{self.prefix}-count", "--each", str(people)], env=self.server.env, cwd=self.folder,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.workers.append(starting)
        kills, next_kill, end = 0, time.monotonic() + 1, time.monotonic() + 100

        def completed():
            counts = self.server.http_json(self.server.http, "/api/counts")
            self.assertEqual({one["status"] for one in counts} - {"queued", "running", "completed"}, set(), counts)
            return sum(one["count"] for one in counts if one["status"] == "completed")
        while completed() < count:
            self.assertLess(time.monotonic(), end, f"{completed()} of {count} after {kills} kills\n{self.log()[-3000:]}")
            if time.monotonic() > next_kill:
                self.kill(living.pop(0))
                living.append(self.start_worker())
                kills, next_kill = kills + 1, next_kill + 1
            time.sleep(0.1)
        self.assertGreater(kills, 2)
        self.assertEqual(len(list(self.folder.glob("count-*"))), count)
        for run in self.server.http_json(self.server.http, "/api/runs?limit=1000")[::50]:
            shown = self.shown(run["id"])
            self.assertEqual(shown["output"]["a"], shown["input"])


if __name__ == "__main__":
    unittest.main()
