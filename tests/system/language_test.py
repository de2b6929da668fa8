"""What a workflow can say beside tasks, on the real server with both stores, killed in between: steps at the end
of a run, items that may fail, signals, approvals, the first of several waits, other workflows, events."""
import collections
import contextlib
import json
import threading
import time
import unittest

import pika

import baton
import postgres

ENDING = """
workflow = "ending"
on_failure = "compensate"
[defaults]
retry = { max_attempts = 1 }
[[step]]
id = "box"
task = "lang.box"
compensate = { task = "lang.undo", with = { id = "${box.id}" } }
[[step]]
id = "account"
task = "lang.fail"
[[on_error]]
id = "alarm"
task = "lang.alarm"
with = { text = "${run.status} by ${run.error.step}: ${errors.account.type}" }
[[finally]]
id = "unlock"
task = "lang.unlock"
with = { end = "${run.status}" }
"""

ITEMS = """
workflow = "items"
[defaults]
retry = { max_attempts = 1 }
[input]
people = { type = "array", required = true }
[[step]]
id = "most"
for_each = "input.people"
tolerate = "25%"
max_parallel = 7
[[step.do]]
id = "box"
task = "lang.odd"
with = { n = "${item}" }
[[step.do]]
id = "letter"
task = "lang.letter"
with = { n = "${item}" }
[[step]]
id = "some"
for_each = "input.people"
enough = 30
task = "lang.odd"
with = { n = "${item}" }
[output]
most = "${[most.total, most.succeeded, most.failed]}"
some = "${some.succeeded}"
"""

PEOPLE = """
workflow = "people"
[input]
who = { type = "string", required = true }
[[step]]
id = "prepare"
task = "lang.slow"
[[step]]
id = "ready"
signal = "ready"
[[step]]
id = "asked"
approval = { title = "Access for ${input.who}?", by = ["ada", "role:it"], quorum = 2, form = { days = { type = "integer", min = 1 } }, remind = "2s" }
[[step]]
id = "answer"
first_of = { yes = { signal = "yes" }, late = { wait = "4s" } }
[[step]]
id = "told"
emit = { type = "access.granted", subject = "${input.who}", data = { days = "${asked.form.days}" } }
[output]
ready = "${ready.data.n}"
approved = "${asked.approved}"
by = "${asked.by}"
days = "${asked.form.days}"
first = "${answer.first}"
"""


CHILD = """
workflow = "child"
on_cancel = "compensate"
[defaults]
retry = { max_attempts = 1 }
[input]
n = { type = "integer", required = true }
[[step]]
id = "odd"
task = "lang.odd"
with = { n = "${input.n}" }
compensate = { task = "lang.undo", with = { n = "${input.n}" } }
[[step]]
id = "wait"
when = "input.n >= 1000"
signal = "never"
[output]
n = "${input.n}"
"""

PARENT = """
workflow = "parent"
[[step]]
id = "many"
for_each = "range(0, 40)"
workflow = "child"
with = { n = "${item}" }
catch = [ { error = "taken", output = { n = -1, at = "${error.data.step}" } } ]
[[step]]
id = "alone"
workflow = "child"
with = { n = 1 }
detached = true
[[step]]
id = "wrong"
workflow = "child"
with = { n = "seven" }
catch = [ { error = "baton.bad_input", output = "${error.detail}" } ]
[[step]]
id = "gone"
workflow = "nobody"
catch = [ { error = "baton.unknown_workflow", output = "gone" } ]
[output]
total = "${many.total}"
failed = "${size(many.results.filter(one, one.n == -1))}"
alone = "${alone.run}"
wrong = "${wrong}"
gone = "${gone}"
"""

CANCELLED = """
workflow = "cancelled"
[[step]]
id = "child"
workflow = "child"
with = { n = 1001 }
"""


ORDER = """
workflow = "order"
[input]
order = { type = "integer", required = true }
[[step]]
id = "paid"
event = { type = "invoice.paid", match = { "data.order" = "${input.order}" } }
[[step]]
id = "shipped"
first_of = { sent = { event = { type = "parcel.sent", match = { subject = "${string(input.order)}" } } }, lost = { signal = "lost" } }
[[step]]
id = "answer"
reply = { order = "${input.order}" }
[[step]]
id = "told"
emit = { type = "order.done", subject = "${string(input.order)}" }
[output]
by = "${paid.data.by}"
first = "${shipped.first}"
parcel = "${shipped.sent.id}"
"""

CLOSING = """
workflow = "closing"
[[step]]
id = "done"
event = { type = "order.done", match = { subject = "2" } }
[output]
source = "${done.source}"
"""


CACHED = """
workflow = "cached"
[input]
email = { type = "string", required = true }
[[step]]
id = "person"
task = "lang.person"
with = { email = "${input.email}" }
cache = { key = "input.email", max_age = "1h" }
output = { name = "${result.name}" }
[output]
name = "${person.name}"
"""

VERIFIED = """
workflow = "verified"
on_failure = "compensate"
[input]
n = { type = "integer", required = true }
[[step]]
id = "box"
task = "lang.silent"
with = { n = "${input.n}" }
timeout = { heartbeat = "1s" }
compensate = { task = "lang.undo", with = { found = "${box.found}" } }
verify = { task = "lang.find", done = "result.there", output = { found = "${input.n}" } }
[[step]]
id = "fail"
task = "lang.fail"
retry = { max_attempts = 1 }
"""


class Worker(threading.Thread):
    """Performs the tasks once per key, and comes back when the server does."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.stopping = url, False
        self.calls = collections.defaultdict(list)  # task: what it was given, once per key
        self.there = set()
        self.keys, self.held = set(), {"lang.alarm", "lang.unlock", "lang.slow"}
        self.start()

    def run(self):
        while not self.stopping:
            try:
                self.serve()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.05)

    def serve(self):
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=20)
            served = set()
            while not self.stopping:
                for task in ("box", "undo", "fail", "alarm", "unlock", "odd", "letter", "slow", "person", "silent", "find"):
                    name = "lang." + task
                    if name in self.held or name in served:
                        continue
                    served.add(name)
                    channel.basic_consume("baton.task." + name, self.perform)
                connection.process_data_events(0.05)

    def perform(self, channel, method, task, body):
        given, name = json.loads(body), method.routing_key
        key = task.headers["baton-idempotency-key"]
        if key not in self.keys or name == "lang.silent":
            self.keys.add(key)
            self.calls[name].append(given)
        if name == "lang.silent":  # begins, does it, and is never heard of again; an odd one does not even do it
            channel.basic_publish("", task.reply_to, b'{"worker": "w"}', pika.BasicProperties(type="started", correlation_id=task.correlation_id))
            if given["n"] % 2 == 0:
                self.there.add(given["n"])
            if given["n"] % 2 == 0 or len(self.calls[name]) == 1:
                channel.basic_ack(method.delivery_tag)
                return
        fails = name == "lang.fail" or (name == "lang.odd" and given["n"] % 5 == 3)
        kind, answer = ("failed", {"type": "taken"}) if fails else ("completed", {"id": 7})
        if name == "lang.person":
            answer = {"name": given["email"].upper()}
        if name == "lang.find":
            answer = {"there": given["n"] in self.there}
        channel.basic_publish("", task.reply_to, json.dumps(answer).encode(), pika.BasicProperties(
            type=kind, correlation_id=task.correlation_id, delivery_mode=2))
        channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.stopping = True
        self.join(20)


class LanguageTest(unittest.TestCase):
    def serve(self, is_shared):
        env = {"BATON_BROKER_USERS": "guest:guest,ada[baton-viewer]:pw,bob[baton-viewer+it]:pw,eve[baton-operator]:pw"}
        if is_shared:
            database = postgres.Postgres()
            self.addCleanup(database.close)
            env["BATON_DB_URL"] = database.url
        self.server = baton.Server(env=env).start()
        self.addCleanup(self.server.close)
        for source in (ENDING, ITEMS, PEOPLE, CHILD, PARENT, CANCELLED, ORDER, CLOSING, CACHED, VERIFIED):
            self.server.deploy(source)
        self.worker = Worker(self.server.env["BATON_AMQP"])
        self.addCleanup(self.worker.stop)

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def begin(self, workflow, given):
        return self.ask("/api/runs", {"workflow": workflow, "input": given})["run"]

    def restart(self):
        self.server.kill()
        self.server.start()

    def shown(self, run):
        return self.ask("/api/runs/" + run)

    def step_of(self, run, step):
        return next((one for one in self.shown(run)["steps"] if one["step"] == step), None)

    def ended(self, run):
        def row():
            one = self.shown(run)
            return one["status"] not in ("running", "compensating") and one
        return baton.wait_for(row, "the run ends", timeout=100)

    def as_user(self, user, *verb):
        own = self.server.env
        self.server.env = dict(own, BATON_USER=user, BATON_PASSWORD="pw")
        try:
            return self.server.baton(*verb)
        finally:
            self.server.env = own

    def check_ending(self):
        run = self.begin("ending", {})
        closing = lambda phase: baton.wait_for(lambda: (self.shown(run)["closing"] or {}).get("phase") == phase, phase)
        closing("on_error")
        self.restart()
        self.assertEqual(self.shown(run)["closing"], {"as": "compensated", "phase": "on_error"})
        self.assertEqual(self.shown(run)["status"], "running")
        self.worker.held.discard("lang.alarm")
        closing("finally")
        self.restart()
        self.worker.held.discard("lang.unlock")

        row = self.ended(run)

        self.assertEqual((row["status"], row["closing"]), ("compensated", None))
        self.assertEqual(self.worker.calls["lang.alarm"], [{"text": "compensated by account: taken"}])
        self.assertEqual(self.worker.calls["lang.unlock"], [{"end": "compensated"}])
        self.assertEqual(self.worker.calls["lang.undo"], [{"id": 7}])

    def check_items(self):
        people = list(range(100))
        run = self.begin("items", {"people": people})
        for _ in range(3):
            time.sleep(0.4)
            self.restart()

        row = self.ended(run)

        self.assertEqual((row["status"], row["output"]), ("completed", {"most": [100, 80, 20], "some": 30}))
        self.assertEqual(sorted(one["n"] for one in self.worker.calls["lang.letter"]), [n for n in people if n % 5 != 3])
        letters = [one["step"] for one in row["dead_letters"] if one["step"].startswith("most")]
        self.assertEqual(sorted(letters), sorted(f"most[{n}].box" for n in people if n % 5 == 3))

    def check_people(self):
        self.listen()
        run = self.begin("people", {"who": "cy"})
        for _ in range(2):  # early, and told twice
            self.server.baton("signal", run, "ready", "--id", "one", "--data", '{"n":3}', check=0)
            self.restart()
        self.assertIn("no step of the workflow waits for 'redy'", self.server.baton("signal", run, "redy").stderr)
        self.worker.held.discard("lang.slow")
        baton.wait_for(lambda: (self.step_of(run, "asked") or {}).get("status") == "sleeping", "people are asked")
        self.restart()

        # However fast it goes from here: they are reminded before they answer.
        told = []
        baton.wait_for(lambda: told.extend(self.heard()) or any(key.startswith("approval.reminder") for key, *_ in told), "people are reminded")
        self.assertEqual(told[0], ("approval.asked.people", "Access for cy?", ["ada", "role:it"], 2))
        self.assertLessEqual({key for key, *_ in told}, {"approval.asked.people", "approval.reminder.people"})
        self.assertIn("asks ada, role:it", self.server.baton("why", run).stdout)
        self.assertIn("you are eve", self.as_user("eve", "approve", run, "asked", "--form", '{"days":3}').stderr)
        self.assertIn("days", self.as_user("ada", "approve", run, "asked", "--form", '{"days":0}').stderr)
        self.assertEqual(self.as_user("ada", "approve", run, "asked", "--form", '{"days":3}').returncode, 0)
        self.restart()
        self.assertEqual(self.as_user("ada", "approve", run, "asked", "--form", '{"days":3}').returncode, 0)
        self.assertEqual(self.step_of(run, "asked")["status"], "sleeping")  # ada counts once
        self.assertEqual(self.as_user("bob", "approve", run, "asked", "--form", '{"days":5}', "--comment", "fine").returncode, 0)
        baton.wait_for(lambda: (self.step_of(run, "answer") or {}).get("status") == "sleeping", "it waits for the first")
        self.restart()

        row = self.ended(run)

        self.assertEqual((row["status"], row["output"]),
                         ("completed", {"ready": 3, "approved": True, "by": "bob", "days": 5, "first": "late"}))
        told = [(one["fact"], one["actor"]) for one in row["requests"]]
        self.assertEqual(told, [("run_started", "guest"), ("signal_received", "guest"), ("approval_voted", "ada"), ("approval_voted", "bob")])
        self.assertIn("is completed", self.server.baton("signal", run, "ready").stderr)
        self.assertIn("asks nobody now", self.as_user("ada", "reject", run, "asked").stderr)
        with contextlib.closing(self.channel()) as connection:
            method, properties, body = connection.channel().basic_get("events", auto_ack=True)
        told = json.loads(body)
        self.assertEqual((method.routing_key, properties.content_type, properties.message_id),
                         ("access.granted", "application/cloudevents+json", run + "/told"))
        self.assertEqual((told["specversion"], told["source"], told["subject"], told["data"]),
                         ("1.0", "/workflows/people", "cy", {"days": 5}))

    def check_parent(self):
        run = self.begin("parent", {})
        for _ in range(3):
            time.sleep(0.4)
            self.restart()

        row = self.ended(run)

        self.assertEqual(row["status"], "completed", row)
        self.assertEqual((row["output"]["total"], row["output"]["failed"], row["output"]["gone"]), (40, 8, "gone"))
        self.assertIn("input.n", row["output"]["wrong"])
        children = {one["step"]: one["attempts"][0]["run"] for one in row["steps"] if one["step"].startswith("many[")}
        self.assertEqual(len(set(children.values())), 40)
        for n in (3, 4):
            child = self.shown(children[f"many[{n}]"])
            self.assertEqual((child["parent"], child["input"], child["status"]),
                             ({"run": run, "step": f"many[{n}]", "detached": False}, {"n": n}, "failed" if n == 3 else "completed"))
        self.assertEqual(self.ended(row["output"]["alone"])["output"], {"n": 1})
        counts = collections.Counter(one["n"] for one in self.worker.calls["lang.odd"])
        self.assertEqual(len(self.ask("/api/runs?workflow=child&limit=1000")), 41)
        self.assertGreaterEqual(counts[39], 1)

    def check_cancelled(self):
        run = self.begin("cancelled", {})
        child = baton.wait_for(lambda: (self.step_of(run, "child") or {"attempts": []})["attempts"], "it is called")[0]["run"]
        waits = lambda: (self.step_of(child, "wait") or {}).get("status") == "sleeping"
        baton.wait_for(lambda: self.is_there(child) and waits(), "it waits")
        self.restart()
        self.worker.calls["lang.undo"].clear()

        self.server.baton("cancel", run, "--reason", "enough", check=0)
        self.restart()

        self.assertEqual(self.ended(run)["status"], "cancelled")
        self.assertEqual(self.ended(child)["status"], "cancelled")
        self.assertEqual(self.worker.calls["lang.undo"], [{"n": 1001}])

    def tell(self, key, data, message_id, **properties):
        with contextlib.closing(self.channel()) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("baton.event", key, json.dumps(data).encode(),
                                  pika.BasicProperties(message_id=message_id, delivery_mode=2, **properties))

    def check_events(self):
        closing = self.begin("closing", {})
        waiting = self.begin("order", {"order": 1})
        others = [self.begin("order", {"order": n}) for n in range(100, 140)]
        baton.wait_for(lambda: (self.step_of(waiting, "paid") or {}).get("status") == "sleeping", "it waits")
        self.restart()
        for n in (1, 2, 3):
            self.tell("invoice.paid", {"order": n, "by": f"payer {n}"}, f"paid-{n}")
        self.restart()  # what was told a moment ago is not lost
        late = self.begin("order", {"order": 2})
        for _ in range(2):  # told twice, it counts once
            self.tell("parcel.sent", {}, "parcel-2", headers={"cloudEvents:subject": "2"})
        self.tell("parcel.sent", {}, "parcel-1", headers={"cloudEvents:subject": "1"})
        self.restart()

        self.assertEqual(self.ended(waiting)["output"], {"by": "payer 1", "first": "sent", "parcel": "parcel-1"})
        self.assertEqual(self.ended(late)["output"], {"by": "payer 2", "first": "sent", "parcel": "parcel-2"})
        self.assertEqual(self.ended(closing)["output"], {"source": "/workflows/order"})
        self.assertIn("an event 'invoice.paid' with data.order = 100", self.server.baton("why", others[0]).stdout)
        for run in others:
            self.assertEqual(self.shown(run)["status"], "running")
        for n in range(100, 140):
            self.tell("invoice.paid", {"order": n, "by": "all"}, f"paid-{n}")
        for run in others:
            baton.wait_for(lambda: (self.step_of(run, "shipped") or {}).get("status") == "sleeping", "it was paid", timeout=60)

    def check_cached(self):
        known = self.begin("cached", {"email": "ada"})
        first = self.ended(known)
        self.restart()
        asking = self.begin("cached", {"email": "ada"})
        again = self.ended(asking)
        other = self.ended(self.begin("cached", {"email": "bob"}))

        self.assertEqual([one["output"] for one in (first, again, other)], [{"name": "ADA"}, {"name": "ADA"}, {"name": "BOB"}])
        self.assertEqual(self.worker.calls["lang.person"], [{"email": "ada"}, {"email": "bob"}])
        self.assertEqual(again["steps"][0]["cached_from"], known)
        self.assertEqual(again["steps"][0]["attempts"], [])
        self.assertIn("known from run " + known, self.server.baton("show", asking).stdout)

    def check_verified(self):
        """A worker dies after the effect: it is found, done once, and undone. One that dies before it: done again."""
        run = self.begin("verified", {"n": 2})
        asked = lambda: [one for one in (self.step_of(run, "box") or {"attempts": []})["attempts"] if one.get("verify")]
        baton.wait_for(asked, "somebody looks")
        self.restart()

        row = self.ended(run)

        self.assertEqual(row["status"], "compensated")
        self.assertEqual([one.get("verify") for one in row["steps"][0]["attempts"]], [None, "done"])
        self.assertEqual(self.worker.calls["lang.silent"], [{"n": 2}])
        self.assertEqual(self.worker.calls["lang.undo"][-1], {"found": 2})
        self.worker.calls["lang.silent"].clear()
        row = self.ended(self.begin("verified", {"n": 3}))
        self.assertEqual([one.get("verify") for one in row["steps"][0]["attempts"]], [None, "not_done", None])
        self.assertEqual(self.worker.calls["lang.silent"], [{"n": 3}, {"n": 3}])

    def is_there(self, run):
        try:
            return self.shown(run)
        except OSError:
            return None

    def channel(self):
        return pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))

    def listen(self):
        with contextlib.closing(self.channel()) as connection:
            channel = connection.channel()
            channel.queue_declare("heard", durable=True)
            channel.queue_bind("heard", "baton.run", "approval.#")
            channel.queue_declare("events", durable=True)
            channel.queue_bind("events", "baton.event", "access.*")

    def heard(self):
        found = []
        with contextlib.closing(self.channel()) as connection:
            channel = connection.channel()
            while True:
                method, _, body = channel.basic_get("heard", auto_ack=True)
                if method is None:
                    return found
                said = json.loads(body)
                found.append((method.routing_key, said["title"], said["by"], said["quorum"]))

    def check_all(self, is_shared):
        self.serve(is_shared)
        with self.subTest("ending"):
            self.check_ending()
        with self.subTest("items"):
            self.check_items()
        with self.subTest("people"):
            self.check_people()
        with self.subTest("parent"):
            self.check_parent()
        with self.subTest("cancelled"):
            self.check_cancelled()
        with self.subTest("events"):
            self.check_events()
        with self.subTest("cached"):
            self.check_cached()
        with self.subTest("verified"):
            self.check_verified()

    def test_sqlite(self):
        self.check_all(False)

    def test_postgres(self):
        self.check_all(True)


if __name__ == "__main__":
    unittest.main()
