"""A server that dies at every step of its algorithm (base/fail_point.hpp) while runs go on, and comes back. Afterwards
every run has ended, each effect was made once per key, and no history has a transition twice.

  fail_points.py [TIMES [sqlite|postgres]..]   kills TIMES at each point (200), with both stores
"""
import collections
import http.client
import json
import random
import subprocess
import sys
import threading
import time

import pika

import baton
import postgres

# Those that are passed once in a start are met at the first pass.
AT_START = ("engine.taken_over", "engine.before_republish", "engine.republished")
POINTS = AT_START + (
    "messaging.report_taken", "engine.alarm", "engine.decided", "engine.before_commit", "engine.after_commit", "engine.told",
    "engine.done", "messaging.before_publish", "messaging.published", "messaging.confirmed", "messaging.before_ack",
    "messaging.acked", "engine.before_cursor", "engine.after_cursor", "journal.before_write", "journal.written",
    "journal.synced")

HOPS = """
workflow = "hops"
on_failure = "compensate"
[input]
fails = { type = "boolean", required = true }
[[step]]
id = "account"
task = "hop.account"
compensate = { task = "hop.remove" }
[[step]]
id = "pause"
wait = "200ms"
[[step]]
id = "people"
for_each = "[1, 2, 3]"
as = "person"
task = "hop.person"
with = { person = "${person}" }
[[step]]
id = "last"
task = "hop.last"
with = { fails = "${input.fails}" }
"""
FORWARD = ["account", "people[0]", "people[1]", "people[2]"]


class Worker(threading.Thread):
    """Keeps a ledger by key, as a worker must: what is asked again is answered and not done again."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.stopping = url, False
        self.effects = collections.Counter()  # by key
        self.start()

    def run(self):
        while not self.stopping:
            try:
                self.serve()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.02)

    def serve(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=20)
        for task in ("account", "remove", "person", "last"):
            channel.basic_consume("baton.task.hop." + task, self.perform)
        while not self.stopping:
            connection.process_data_events(0.05)
        connection.close()

    def perform(self, channel, method, task, body):
        fails = json.loads(body).get("fails", False)
        key = task.headers["baton-idempotency-key"]
        if not fails and key not in self.effects:
            self.effects[key] += 1
        answer = {"type": "no", "retryable": False} if fails else {}
        channel.basic_publish("", task.reply_to, json.dumps(answer).encode(), pika.BasicProperties(
            type="failed" if fails else "completed", correlation_id=task.correlation_id, delivery_mode=2))
        channel.basic_ack(method.delivery_tag)


class Trial:
    def __init__(self, store, seed=1):
        self.random = random.Random(seed)
        self.database = postgres.Postgres() if store == "postgres" else None
        self.server = baton.Server(env={"BATON_DB_URL": self.database.url} if self.database else None)
        self.server.start()
        self.server.deploy(HOPS)
        self.worker = Worker(self.server.env["BATON_AMQP"])
        self.runs, self.stopping, self.met = {}, False, collections.Counter()
        self.starter = threading.Thread(target=self.start_runs, daemon=True)
        self.starter.start()

    def start_runs(self):
        """In bursts, so that the server has moments of rest, too. Asked again until there is an answer; the key makes it one run."""
        number = 0
        while not self.stopping:
            for _ in range(4):
                number += 1
                asked = {"workflow": "hops", "input": {"fails": number % 5 == 0}, "key": f"run-{number}"}
                while not self.stopping:
                    try:
                        self.runs[number] = self.server.http_json(self.server.http, "/api/runs", asked, timeout=5)["run"]
                        break
                    except (OSError, ValueError, http.client.HTTPException):
                        time.sleep(0.05)
            time.sleep(0.7)

    def spawn(self, point=None, passes=1):
        env = dict(self.server.env)
        if point:
            env["TEST_FAIL_POINT"] = f"{point}:{passes}"
        with open(self.server.log_path, "ab") as log:
            self.server.process = subprocess.Popen([baton.EXE, "serve"], env=env, cwd=self.server.home,
                                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def meet(self, point, patience=60.0):
        """Lets the server die at the point. It may have to come back once to have anything to do at its start."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.server.process.poll() is None:
                self.server.kill()
            most = 1 if point in AT_START else 3 if "cursor" in point else 12  # the cursor needs a moment of rest
            self.spawn(point, self.random.randrange(most) + 1)
            try:
                self.server.process.wait(5 if point in AT_START else patience / 2)
            except subprocess.TimeoutExpired:
                continue
            if self.server.process.returncode != -9:
                raise AssertionError(f"the server ended with {self.server.process.returncode} at {point}:\n{self.server.log()[-4000:]}")
            self.met[point] += 1
            return
        raise AssertionError(f"nobody passed {point} in {patience} s")

    def end(self, timeout=300):
        """The promises, when the server lives again."""
        if self.server.process.poll() is None:
            self.server.kill()
        self.spawn()
        self.server.await_ready()
        self.stopping = True
        self.starter.join(30)
        expected = {}
        for number, run in self.runs.items():
            status = "compensated" if number % 5 == 0 else "completed"
            shown = baton.wait_for(lambda run=run: self.ended(run), f"run {run} ends", timeout=timeout)
            if shown["status"] != status:
                raise AssertionError(f"run {run} is {shown['status']}")
            self.check_history(run, shown["history"])
            steps = FORWARD + (["account:undo"] if number % 5 == 0 else ["last"])
            expected.update({f"{run}/{step}": 1 for step in steps})
        # The last start may have got no answer; nobody waits for that run.
        known = set(self.runs.values())
        effects = {key: count for key, count in self.worker.effects.items() if key.split("/")[0] in known}
        if effects != expected:
            raise AssertionError(f"effects: {set(effects.items()) ^ set(expected.items())}")
        return len(self.runs)

    def ended(self, run):
        shown = self.server.http_json(self.server.http, f"/api/runs/{run}")
        return shown["status"] not in ("running", "compensating", "queued") and shown

    def check_history(self, run, history):
        numbers = [entry["seq"] for entry in history]
        if numbers != list(range(1, len(history) + 1)):
            raise AssertionError(f"run {run} has the transitions {numbers}")
        done = collections.Counter((fact["step"], fact.get("undo", False)) for entry in history for fact in entry["facts"]
                                   if fact["fact"] in ("task_completed", "step_done"))
        if any(count != 1 for count in done.values()):
            raise AssertionError(f"run {run} has results twice: {done}")

    def close(self):
        self.stopping = self.worker.stopping = True
        self.worker.join(20)
        self.server.close()
        if self.database:
            self.database.close()


def play(store, times, points=POINTS):
    trial = Trial(store)
    try:
        for _ in range(times):
            for point in points:
                trial.meet(point)
        runs = trial.end()
    finally:
        trial.close()
    print(f"{store}: {runs} runs, {sum(trial.met.values())} deaths at {len(trial.met)} points, each at least "
          f"{min(trial.met.values())} times", flush=True)


if __name__ == "__main__":
    for chosen in sys.argv[2:] or ["sqlite", "postgres"]:
        play(chosen, int(sys.argv[1]) if len(sys.argv) > 1 else 200)
