"""The control-flow patterns of tests/patterns on the real server, with both stores. The same tests that `baton test` plays
on the desk: a worker of the broker answers as their mocks say, people act when their acts say, and what must become of the
run is compared with what the API tells. Simulated time is real here, so those tests take a second or two each; they go
on side by side."""
import collections
import concurrent.futures
import contextlib
import heapq
import itertools
import json
import pathlib
import re
import threading
import time
import tomllib
import unittest
import uuid

import pika

import baton
import postgres

PATTERNS = baton.ROOT / "tests" / "patterns"
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
ANSWER_WORDS = {"result", "error", "timeout"}


def seconds(text):
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[dhms])", text or ""))


def steps_of(tables):
    for step in tables:
        yield step
        for word in ("do", "parallel"):
            yield from steps_of(step.get(word, []))


def without_numbers(address):
    return re.sub(r"\[\d+\]", "", address)


class Played:
    """One test: the answers its mocks have left, and the run that plays it."""

    def __init__(self, file, workflow, test):
        self.name, self.workflow, self.test = f"{file.name}: {test['name']}", workflow["workflow"], test
        self.answered, self.given, self.run = collections.Counter(), {}, None
        self.at_work, self.most_at_work = collections.Counter(), collections.Counter()
        all_steps = [*steps_of(workflow["step"]), *steps_of(workflow.get("on_error", [])), *steps_of(workflow.get("finally", []))]
        self.tasks = {step["id"]: step.get("task") for step in all_steps}
        self.limits = {step["task"]: step["limit"] for step in all_steps if "limit" in step}

    def answer(self, step, task):
        """The mock of the step or of one item of it, else of its task, else of all; a list gives one answer to each call."""
        mocks, names = self.test.get("mock", {}), [task, "*"]
        if self.tasks.get(without_numbers(step).split(".")[-1]) == task:  # and no undo of it
            names = [step, without_numbers(step), *names]
        name = next(one for one in names if one in mocks)
        call, self.answered[name] = self.answered[name], self.answered[name] + 1
        all_answers = mocks[name] if isinstance(mocks[name], list) else [mocks[name]]
        for one in all_answers:
            times = one.get("times", 1) if isinstance(one, dict) and ANSWER_WORDS & one.keys() else 1
            if call < times:
                return one
            call -= times
        return all_answers[-1]


class Worker(threading.Thread):
    """Serves every task of every pattern, each run as its test says, and each attempt once."""

    def __init__(self, url, tasks, parent_of):
        super().__init__(daemon=True)
        self.url, self.tasks, self.stopping, self.failure, self.parent_of = url, tasks, False, None, parent_of
        self.playing, self.early, self.due, self.number = {}, [], [], itertools.count()
        self.start()

    def run(self):
        try:
            with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
                self.channel = connection.channel()
                for task in self.tasks:
                    self.channel.basic_consume("baton.task." + task, self.take)
                while not self.stopping:
                    connection.process_data_events(0.01)
                    waiting, self.early = self.early, []
                    for one in waiting:
                        self.find_family(one[2].headers["baton-run"])
                        self.take(*one)
                    while self.due and self.due[0][0] <= time.monotonic():
                        self.report(*heapq.heappop(self.due)[2:])
        except Exception as error:  # said by the test, which would else wait in vain
            self.failure = error

    def find_family(self, run):
        """A run that is a step of another one is played by the test of that."""
        if run not in self.playing and (parent := self.parent_of(run)) in self.playing:
            self.playing[run] = self.playing[parent]

    def take(self, channel, method, task, body):
        played = self.playing.get(task.headers["baton-run"])
        if played is None:  # the answer to its start is still on its way
            self.early.append((channel, method, task, body))
            return
        step, route = task.headers["baton-step"], method.routing_key
        limit = played.limits.get(route)
        played.at_work[limit] += 1
        played.most_at_work[limit] = max(played.most_at_work[limit], played.at_work[limit])
        answer = played.given.setdefault(task.correlation_id, None) or played.answer(step, route)
        played.given[task.correlation_id] = answer
        is_said = isinstance(answer, dict) and ANSWER_WORDS & answer.keys()
        after = seconds(answer.get("after")) if is_said else 0
        heapq.heappush(self.due, (time.monotonic() + after, next(self.number), played, limit, method, task, answer if is_said else {"result": answer}))

    def report(self, played, limit, method, task, answer):
        played.at_work[limit] -= 1
        if not answer.get("timeout"):
            problem = {word: answer[word] for word in ("title", "detail", "status", "data", "retryable") if word in answer}
            said = {"type": answer["error"], **problem} if "error" in answer else answer.get("result")
            self.channel.basic_publish("", task.reply_to, json.dumps(said).encode(), pika.BasicProperties(
                type="failed" if "error" in answer else "completed", correlation_id=task.correlation_id, delivery_mode=2))
        self.channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.stopping = True
        self.join(20)


def fits(expected, found):
    """As `baton test` compares: a table fits when each member that is named fits."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(key in found and fits(value, found[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(fits, expected, found))
    return expected == found and isinstance(expected, bool) == isinstance(found, bool)


def spread(calls):
    for one in calls:
        task, _, times = one.partition(" x")
        yield from [task] * int(times or 1)


class PatternsTest(unittest.TestCase):
    maxDiff = None

    def serve(self, is_shared):
        env = {}
        if is_shared:
            database = postgres.Postgres()
            self.addCleanup(database.close)
            env["BATON_DB_URL"] = database.url
        self.server = baton.Server(env=env).start()
        self.addCleanup(self.server.close)

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def tell(self, act):
        """An event, as any program tells one."""
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))) as connection:
            connection.channel().basic_publish("baton.event", act["event"], json.dumps(act.get("data")).encode(),
                                               pika.BasicProperties(message_id=str(uuid.uuid4()), content_type="application/json"))

    def act(self, played, act):
        if "event" in act:
            return self.tell(act)
        verb = next(word for word in ("cancel", "pause", "resume", "retry", "skip", "signal", "approve", "reject") if word in act)
        body = {"signal": {"name": act.get("signal"), "data": act.get("data")}, "cancel": {"reason": act.get("cancel")},
                "approve": {"step": act.get("approve"), "form": act.get("form", {})}}[verb]
        self.ask(f"/api/runs/{played.run}/{verb}", body)

    def play(self, played):
        """Starts it, and acts as people do, in time."""
        begun = time.monotonic()
        played.run = self.ask("/api/runs", {"workflow": played.workflow, "input": played.test.get("input", {})})["run"]
        self.worker.playing[played.run] = played
        for act in sorted(played.test.get("act", []), key=lambda one: seconds(one.get("after"))):
            time.sleep(max(0, begun + seconds(act.get("after")) - time.monotonic()))
            self.act(played, act)

    def ended(self, played):
        def row():
            self.assertIsNone(self.worker.failure)
            one = self.ask("/api/runs/" + played.run)
            return one["status"] not in ("running", "compensating", "queued") and one
        return baton.wait_for(row, "the run ends", timeout=60, pause=0.1)

    def dispatched(self, run):
        """The tasks in the order they were handed out, undos too."""
        entries = self.ask(f"/api/runs/{run}/history")["history"]
        return [fact for entry in entries for fact in entry["facts"] if fact["fact"] == "task_dispatched"]

    def compare(self, played):
        expect, row = played.test["expect"], self.ended(played)
        self.assertEqual(row["status"], expect.get("status", "completed"), row)
        if "output" in expect:
            self.assertTrue(fits(expect["output"], row["output"]), row["output"])
        if "error" in expect:
            self.assertEqual(row["error_type"], expect["error"])
        calls = self.dispatched(played.run)
        routes = [one["task"].removeprefix("workflow:") for one in calls]
        if "calls" in expect:
            self.assertEqual(routes, list(spread(expect["calls"])))
        for task, times in expect.get("called", {}).items():
            self.assertEqual(routes.count(task), times, task)
        for step, given in expect.get("with", {}).items():
            first = next(one for one in calls if step in (one["step"], without_numbers(one["step"])))
            self.assertTrue(fits(given, first["input"]), first)
        for step, status in expect.get("steps", {}).items():
            there = next((one["status"] for one in row["steps"] if one["step"] == step and not one.get("undo")), "waiting")
            self.assertEqual(there, status, step)
        for limit, most in played.most_at_work.items():
            if limit is not None:
                self.assertEqual(most, 1, f"{limit} allows one at a time")

    def play_and_compare(self, file, workflow, test):
        """What went wrong, or None. A race between an act and an answer that a busy machine turned round is run again."""
        for _ in range(3):
            played = Played(file, workflow, test)
            try:
                self.play(played)
                self.compare(played)
                return None
            except (AssertionError, OSError) as error:
                failure = f"{played.name}: {error}"
        return failure

    def check_all(self, is_shared):
        self.serve(is_shared)
        all_tests, tasks = [], set()
        for file in sorted(PATTERNS.glob("*.toml")):
            if file.name.endswith(".test.toml"):
                continue
            source = file.read_text()
            self.ask("/api/workflows", {"source": source, "file": file.name})
            tests = tomllib.loads(file.with_suffix(".test.toml").read_text())["test"]
            all_tests += [(file, tomllib.loads(source), test) for test in tests]
            tasks |= set(re.findall(r'task\s*=\s*"([^"]+)"', source))
        self.assertGreater(len(all_tests), 49)
        parent_of = lambda run: (self.ask("/api/runs/" + run)["parent"] or {}).get("run")
        self.worker = Worker(self.server.env["BATON_AMQP"], sorted(tasks), parent_of)
        self.addCleanup(self.worker.stop)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            failures = list(pool.map(lambda one: self.play_and_compare(*one), all_tests))

        self.assertEqual([one for one in failures if one], [])

    def test_sqlite(self):
        self.check_all(False)

    def test_postgres(self):
        self.check_all(True)


if __name__ == "__main__":
    unittest.main()
