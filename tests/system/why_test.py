"""Why a run does not go on: real stuck situations, each with its true cause, the same by the API and by `baton why`.
Busy is never called "no consumer", and nobody is called busy who has room."""
import contextlib
import json
import re
import unittest

import pika

import baton
import task_queue
import v1

HEAD = 'workflow = "{name}"\n'
STEP = '[[step]]\nid = "{id}"\n{what}\n'
TASK = 'task = "{name}.x"\nretry = {{ max_attempts = 3, initial_interval = "1h" }}'


def workflow(name, *steps, more=""):
    return HEAD.format(name=name) + more + "".join(STEP.format(id=id, what=what) for id, what in steps)


class Why(baton.ServerTest, task_queue.TaskQueue):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = v1.Client(cls.server)

    def begin(self, name, *steps, more="", **request):
        self.client.ask("PUT", "/workflows/" + name, workflow(name, *steps, more=more), Content_Type="application/toml")
        return self.again(name, **request)

    def again(self, name, **request):
        return self.client.post("/runs", {"workflow": name, **request}, 201)["run"]

    def why(self, run, code, step=None):
        """The first reason, once it is this one."""
        def first():
            told = self.client.get(f"/runs/{run}/why")
            return told if told["code"] == code else None
        try:
            told = baton.wait_for(first, code, 15)
        except AssertionError:
            self.fail(f"{code} instead of {self.client.get(f'/runs/{run}/why')}")
        self.assertEqual(self.server.json("why", run)["code"], code)
        # Asked a moment later, so how many tasks wait may differ.
        uncounted = lambda text: re.sub(r"\d+ tasks wait", "some tasks wait", text)
        self.assertIn(uncounted(told["sentence"]), uncounted(self.server.baton("why", run, check=0).stdout))
        reason = told["reasons"][0]
        if step:
            self.assertEqual(reason["step"], step)
        return reason

    def do(self, reason):
        """What the reason itself offers."""
        act = reason["act"]
        self.assertTrue(act["path"].startswith(v1.PREFIX))
        return self.client.ask(act["method"], act["path"][len(v1.PREFIX):], act["body"], 200).body

    def take(self, task):
        self.queue = "baton.task." + task
        [(_, properties)] = baton.wait_for(self.queued, task)
        return properties

    def report(self, properties, kind, body):
        with self.channel() as channel:
            channel.basic_publish("", properties.reply_to, json.dumps(body).encode(), pika.BasicProperties(
                type=kind, correlation_id=properties.correlation_id, delivery_mode=2))

    @contextlib.contextmanager
    def consumer(self, task, prefetch):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        if prefetch:
            channel.basic_qos(prefetch_count=prefetch)
        channel.basic_consume("baton.task." + task, lambda *_: None)
        try:
            yield connection
        finally:
            connection.close()

    # ---- tasks ------------------------------------------------------------------------------------

    def test_nobody_serves_and_everybody_is_busy_are_two_things(self):
        runs = [self.begin("busy", ("a", TASK.format(name="busy")))]
        reason = self.why(runs[0], "no_consumer", "a")
        self.assertEqual(reason["task"], "busy.x")
        runs += [self.again("busy") for _ in range(3)]
        with self.consumer("busy.x", prefetch=2) as connection:
            connection.process_data_events(1)
            self.why(runs[3], "consumers_busy", "a")
            with self.consumer("busy.x", prefetch=4) as roomy:  # has room: takes the others
                roomy.process_data_events(1)
                self.why(runs[3], "attempt_running", "a")
        with self.consumer("busy.x", prefetch=0) as connection:  # takes as many as there are
            connection.process_data_events(1)
            self.why(runs[3], "attempt_running", "a")
        self.why(runs[3], "no_consumer", "a")

    def test_who_works_on_it_is_named(self):
        run = self.begin("works", ("a", TASK.format(name="works")))
        self.report(self.take("works.x"), "started", {"worker": "mail@host:7"})
        self.assertIn("works on it", self.why(run, "attempt_running", "a")["sentence"])

    def test_a_failed_attempt_waits_for_the_next_until_somebody_says_now(self):
        run = self.begin("backs", ("a", TASK.format(name="backs")))
        self.report(self.take("backs.x"), "failed", {"type": "http.503", "detail": "redmine is down"})
        reason = self.why(run, "backing_off", "a")
        self.assertIn("attempt 1 of 3 failed (http.503: redmine is down)", reason["sentence"])
        self.assertIsNotNone(reason["until"])
        self.do(reason)
        self.why(run, "no_consumer", "a")

    def test_a_target_that_lets_nobody_try(self):
        run = self.begin("heldback", ("a", TASK.format(name="heldback")))
        self.report(self.take("heldback.x"), "failed", {"type": "unauthorized", "detail": "the key is wrong", "attempt": False, "retry_after": 3600})
        self.assertIn("the key is wrong", self.why(run, "task_held", "a")["sentence"])
        self.why(self.again("heldback"), "task_held", "a")

    def test_paused_task_types_and_workflows_and_runs(self):
        run = self.begin("pauses", ("a", 'set = { x = 1 }'), ("b", TASK.format(name="pauses")), ("c", TASK.format(name="pauses")))
        self.client.post("/tasks/pauses.x/pause", {"reason": "the server moves"})
        self.report(self.take("pauses.x"), "completed", {})
        reason = self.why(run, "task_paused", "c")
        self.do(reason)
        self.why(run, "no_consumer", "c")

        self.client.post("/workflows/pauses/pause", {"reason": "holidays"})
        waiting = self.again("pauses")
        reason = self.why(waiting, "workflow_paused")
        self.assertIn("holidays", reason["sentence"])
        self.do(reason)
        self.why(waiting, "no_consumer", "b")

        self.client.post(f"/runs/{run}/pause", {"reason": "ask ada"})
        reason = self.why(run, "run_paused")
        self.assertIn("guest let it pause: ask ada", reason["sentence"])
        self.do(reason)
        self.why(run, "no_consumer", "c")

    def test_keys_limits_and_rates(self):
        self.begin("keyed", ("a", TASK.format(name="keyed")), more='concurrency = { key = "\'one\'", limit = 1 }\n')
        self.why(self.again("keyed"), "queued_by_key")

        self.begin("limited", ("a", TASK.format(name="limited") + '\nlimit = "api"'), more='[limits.api]\nmax_concurrent = 1\n')
        self.why(self.again("limited"), "limit_full", "a")

        self.begin("rated", ("a", TASK.format(name="rated") + '\nlimit = "calls"'), more='[limits.calls]\nrate = "1/h"\n')
        self.why(self.again("rated"), "rate_limited", "a")

    # ---- from outside -----------------------------------------------------------------------------

    def test_signals_approvals_and_times(self):
        run = self.begin("signals", ("a", 'signal = "ready"'))
        self.do(self.why(run, "signal", "a"))
        self.why(run, "closed")

        run = self.begin("asks", ("a", 'approval = { title = "May she?", by = ["guest"] }'))
        reason = self.why(run, "approval", "a")
        self.assertIn("it asks guest: May she?", reason["sentence"])
        [asked] = [one for one in self.client.all("/approvals", mine="true") if one["run"] == run]
        self.assertEqual((asked["step"], asked["title"], asked["by"]), ("a", "May she?", ["guest"]))
        self.do(reason)
        self.why(run, "closed")

        run = self.begin("waits", ("a", 'wait = "1h"'), ("b", 'wait = "1h"'))
        reason = self.why(run, "timer", "a")
        self.assertIsNotNone(reason["until"])
        told = self.client.get(f"/runs/{run}/why")["reasons"]
        self.assertEqual([(one["code"], one["step"]) for one in told], [("timer", "a"), ("waits_for_step", "b")])

        run = self.begin("first", ("a", 'first_of = { yes = { signal = "yes" }, late = { wait = "1h" } }'))
        self.why(run, "signal", "a")

    # ---- what ended -------------------------------------------------------------------------------

    def test_what_gave_up_and_what_is_over(self):
        run = self.begin("gives", ("a", TASK.format(name="gives")), more='on_failure = "pause"\n')
        self.report(self.take("gives.x"), "failed", {"type": "taken", "detail": "login taken", "retryable": False})
        reason = self.why(run, "dead_letter", "a")
        self.assertIn("taken: login taken", reason["sentence"])
        self.do(reason)
        self.why(run, "no_consumer", "a")

        run = self.begin("undoes", ("a", TASK.format(name="undoes") + '\ncompensate = { task = "undoes.back", retry = { max_attempts = 1 } }'),
                         ("b", 'wait = "1h"'), more='on_cancel = "compensate"\n')
        self.report(self.take("undoes.x"), "completed", {})
        self.why(run, "timer", "b")
        self.client.post(f"/runs/{run}/cancel", {"reason": "no"})
        self.report(self.take("undoes.back"), "failed", {"type": "gone", "retryable": False})
        baton.wait_for(lambda: self.client.get("/runs/" + run)["closed_at"], "it is over")
        told = self.client.get(f"/runs/{run}/why")
        self.assertEqual([one["code"] for one in told["reasons"]], ["closed", "undo_failed"])

        run = self.begin("done", ("a", "set = { x = 1 }"))
        self.assertIn("the run is completed", self.why(run, "closed")["sentence"])


class BrokerAway(unittest.TestCase):
    """With the broker somewhere else, and away."""

    def test_a_broker_that_is_away_is_named_before_anything_else(self):
        broker = baton.BrokerAlone()
        self.addCleanup(broker.close)
        server = baton.Server(env={"BATON_BROKER_URL": broker.url})
        server.amqp = broker.amqp
        self.addCleanup(server.close)
        server.start()
        client = v1.Client(server)
        client.ask("PUT", "/workflows/far", workflow("far", ("a", TASK.format(name="far"))), 201, Content_Type="application/toml")
        run = client.post("/runs", {"workflow": "far"}, 201)["run"]
        baton.wait_for(lambda: client.get(f"/runs/{run}/why")["code"] == "no_consumer", "nobody serves it")
        broker.process.kill()
        broker.process.wait()
        baton.wait_for(lambda: client.get(f"/runs/{run}/why")["code"] == "broker_away", "the broker is away")


if __name__ == "__main__":
    unittest.main()
