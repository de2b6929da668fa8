"""Dead letters by cause and in bulk, with the real server: groups, rate, stop, kill -9, cancel, reasons, other bodies."""
import base64
import json
import threading
import time
import unittest
import urllib.error
import urllib.parse

import pika

import baton
import postgres
import task_queue

QUEUE = "baton.task.bulk.x"
WORKFLOW = """workflow = "bulk"
[input]
name = { type = "string", required = true }
[[step]]
id = "a"
task = "bulk.x"
retry = { max_attempts = 1 }
with = { name = "${input.name}" }
"""


class Bulk(task_queue.TaskQueue, unittest.TestCase):
    environment, queue = {}, QUEUE

    def setUp(self):
        self.server = baton.Server(env=self.environment).start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def reject(self, bodies):
        self.put_and_reject(bodies, headers={"kept": "yes"})
        baton.wait_for(lambda: sum(one["count"] for one in self.groups()) >= len(bodies), "they are dead letters")

    def groups(self, *args):
        return self.server.json("dead", "groups", *args)

    def ask(self, path, body=None, method=None):
        return self.server.http_json(self.server.http, path, body, method=method)

    def refusal(self, path, body=None, method=None):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.ask(path, body, method)
        return refused.exception.code, json.loads(refused.exception.read())["reason"]

    def job(self, number):
        return self.ask(f"/api/dead/jobs/{number}")

    def ended(self, number, limit=60):
        return baton.wait_for(lambda: (lambda one: one if one["state"] != "running" else None)(self.job(number)),
                              "the job has ended", limit)

    def fail_tasks(self, count, text):
        """A worker: `count` tasks, each with a detail of its own."""
        with self.channel() as channel:
            for number in range(count):
                method, task, _ = baton.wait_for(lambda: (lambda got: got if got[0] else None)(channel.basic_get(QUEUE)), "a task")
                answer = {"type": "unknown_user", "detail": text.format(number), "retryable": False}
                channel.basic_publish("", task.reply_to, json.dumps(answer), pika.BasicProperties(
                    type="failed", correlation_id=task.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)


class BulkTest(Bulk):
    def test_tasks_of_one_cause_are_one_group_and_are_sent_again_together(self):
        runs = [self.server.baton("run", "bulk", "--input", json.dumps({"name": f"n{n}"}), "--detach", check=0).stdout.strip()
                for n in range(4)]
        self.fail_tasks(3, "user {} unknown")
        self.fail_tasks(1, "mailbox {} is full")
        baton.wait_for(lambda: len(self.groups()) == 2, "two causes")
        unknown, full = self.groups()
        self.assertEqual((unknown["count"], unknown["detail"], unknown["error_type"]), (3, "user # unknown", "unknown_user"))
        self.assertEqual((full["count"], full["detail"]), (1, "mailbox # is full"))
        self.assertIn("user # unknown", self.server.baton("dead", "groups", check=0).stdout)
        self.assertEqual(len(self.server.json("dead", "list", "--group", unknown["group"])), 3)
        self.assertEqual(self.server.json("dead", "list", "--since", "1h", "--error", "other"), [])

        said = self.server.baton("dead", "redrive", "--group", unknown["group"], "--rate", "100/s", "--wait", check=0).stdout

        self.assertIn("3 of 3 sent again", said)
        self.assertEqual([one["group"] for one in self.groups()], [full["group"]])
        letter = self.server.json("dead", "list", "--state", "redriven")[0]
        self.assertEqual((letter["closed_by"], letter["job"]), ("guest", 1))
        shown = self.server.json("show", letter["run"])
        actors = [fact.get("actor") for row in shown["history"] for fact in row["facts"] if row["seq"] > 2]
        self.assertIn("guest", actors, "the history names who sent it again")
        self.assertIn("/api/dead/jobs", (self.server.home / "data" / "audit.jsonl").read_text())
        self.assertIn(letter["run"], runs)

    def test_one_mended_input_is_a_rule_for_the_others_which_survives_kill_9(self):
        names = [f"user{n}@exmaple.org" for n in range(24)] + ["right@other.org", "also@other.org"]
        for name in names:
            self.server.baton("run", "bulk", "--input", json.dumps({"name": name}), "--detach", check=0)
        self.fail_tasks(len(names), "address {} is refused")
        [group] = baton.wait_for(lambda: (lambda all: all if all and all[0]["count"] == len(names) else None)(self.groups()), "one cause")
        edit = [{"kind": "replace", "path": ["name"], "find": "exmaple", "put": "example", "at": "any"}]
        wish = {"kind": "dead", "action": "redrive", "group": group["group"], "edit": edit, "rate": "20/s", "stop_after": 1}

        trial = self.ask("/baton/v1/operations", {**wish, "dry_run": True})
        self.assertEqual((trial["count"], trial["fit"], trial["unfit"], trial["fit_is_exact"]), (26, 24, 2, True))
        shown = {one["input"]["name"]: one["mended"] for one in trial["samples"]}
        self.assertEqual({(name, (after or {}).get("name")) for name, after in shown.items()},
                         {(name, name.replace("exmaple", "example") if "exmaple" in name else None) for name in shown})
        self.assertEqual(len(self.groups()), 1)
        self.assertEqual(self.groups()[0]["count"], 26, "a trial changes nothing")

        begun = self.ask("/baton/v1/operations", wish)
        for _ in range(2):
            done = self.ask("/baton/v1/operations/" + begun["id"])["done"]
            baton.wait_for(lambda: self.ask("/baton/v1/operations/" + begun["id"])["done"] > done, "it goes on")
            self.server.kill()
            self.server.start()
        ended = baton.wait_for(lambda: (lambda one: one if one["state"] != "running" else None)(
            self.ask("/baton/v1/operations/" + begun["id"])), "it has ended", 60)
        self.assertEqual((ended["state"], ended["done"], ended["unfit"], ended["refused"], ended["edit"]), ("done", 24, 2, 0, edit))
        given = [json.loads(body)["name"] for body, _ in self.queued()]
        self.assertEqual(set(given), {name.replace("exmaple", "example") for name in names[:24]})
        left = self.ask("/api/dead?group=" + group["group"])
        self.assertEqual({one["input"]["name"] for one in left}, set(names[24:]))

        code, reason = self.refusal("/api/dead/jobs", {"action": "redrive", "all": True, "edit": [{"kind": "set", "path": "name"}]})
        self.assertEqual(code, 400)
        self.assertIn("edit[0]: 'path'", reason)
        self.assertEqual(self.refusal("/api/dead/jobs", {"action": "drop", "all": True, "reason": "x", "edit": edit})[0], 400)

    def test_a_job_survives_kill_9_and_sends_every_message(self):
        bodies = [b"m%d" % n for n in range(60)]
        self.reject(bodies)
        [group] = self.groups()
        answered = time.monotonic()
        job = self.ask("/api/dead/jobs", {"action": "redrive", "group": group["group"], "rate": "40/s"})
        self.assertLess(time.monotonic() - answered, 5)
        self.assertEqual((job["total"], job["state"]), (60, "running"))
        for _ in range(3):
            done = self.job(job["job"])["done"]
            baton.wait_for(lambda: self.job(job["job"])["done"] > done + 5, "it goes on")
            self.server.kill()
            self.server.start()
        ended = self.ended(job["job"])

        self.assertEqual((ended["state"], ended["done"], ended["refused"]), ("done", 60, 0))
        self.assertEqual(self.groups(), [])
        queued = self.queued()
        self.assertEqual({body for body, _ in queued}, set(bodies))
        self.assertEqual(len({properties.message_id for _, properties in queued}), 60, "a double has the id of the first")
        self.assertLessEqual(len(queued), 60 + 3 * 20, "at most the page that was under way")
        self.assertEqual({properties.headers["kept"] for _, properties in queued}, {"yes"})

    def test_it_stops_when_what_it_sends_dies_again(self):
        self.reject([b"%d" % n for n in range(40)])
        stop = threading.Event()

        def refuse():
            with self.channel() as channel:
                for method, _, _ in channel.consume(QUEUE, inactivity_timeout=0.1):
                    if method:
                        channel.basic_reject(method.delivery_tag, requeue=False)
                    elif stop.is_set():
                        return

        worker = threading.Thread(target=refuse)
        worker.start()
        try:
            job = self.ask("/api/dead/jobs", {"action": "redrive", "task": self.groups()[0]["task"], "rate": "10/s", "stop_after": 3})
            ended = self.ended(job["job"])
        finally:
            stop.set()
            worker.join()

        self.assertEqual(ended["state"], "stopped")
        self.assertGreaterEqual(ended["failures"], 3)
        self.assertLess(ended["done"], 30)
        self.assertIn("dead again", ended["note"])
        self.assertTrue(any(one["again_of"] for one in self.ask("/api/dead?limit=1000")))
        baton.wait_for(lambda: sum(one["count"] for one in self.groups()) == 40, "none is lost")

    def test_two_jobs_over_the_same_letters_send_none_twice(self):
        self.reject([b"%d" % n for n in range(30)])
        jobs = [self.ask("/api/dead/jobs", {"action": "redrive", "all": True, "rate": "100/s"})["job"] for _ in range(2)]
        ended = [self.ended(job) for job in jobs]
        self.assertEqual(sum(one["done"] for one in ended), 30)
        self.assertEqual(sum(one["refused"] for one in ended), 0)
        self.assertEqual(sorted(body for body, _ in self.queued()), sorted(b"%d" % n for n in range(30)))

    def test_it_is_cancelled_and_says_by_whom(self):
        self.reject([b"%d" % n for n in range(10)])
        said = self.server.baton("dead", "redrive", "--all", "--rate", "1/m", check=0).stdout
        self.assertIn("job 1: 10 dead letter(s)", said)
        self.assertIn("cancelled", self.server.baton("dead", "cancel", "1", check=0).stdout)
        self.assertEqual(self.job(1)["note"], "cancelled by guest")
        self.assertIn("cancelled by guest", self.server.baton("dead", "jobs", check=0).stdout)
        self.assertIn("is not running", self.server.baton("dead", "cancel", "1", check=2).stderr)
        self.assertEqual(self.groups()[0]["count"], 9)

    def test_what_is_dropped_keeps_its_reason(self):
        self.reject([b"%d" % n for n in range(5)])
        self.assertIn("--reason", self.server.baton("dead", "drop", "--all", check=2).stderr)
        self.server.baton("dead", "drop", "1", "--reason", "gelöscht \u2192 von Hand", check=0)
        self.server.baton("dead", "drop", "--all", "--reason", "they have left", "--wait", check=0)
        self.assertEqual(self.server.json("dead", "show", "1")["close_reason"], "gelöscht \u2192 von Hand")
        letter = self.server.json("dead", "show", "2")
        self.assertEqual((letter["state"], letter["close_reason"], letter["closed_by"]), ("dropped", "they have left", "guest"))
        self.assertEqual(self.groups(), [])

    def test_a_message_is_sent_again_with_another_body(self):
        self.reject([b"old \xff\x00", b"second"])
        numbers = {json.dumps(one["message"].get("body")): str(one["id"]) for one in self.ask("/api/dead")}
        raw = self.server.baton("dead", "show", numbers['"second"'], "--raw", check=0).stdout
        self.assertEqual(raw, "second")
        coded = json.loads(self.server.baton("dead", "show", numbers["null"], "--raw", "--json", check=0).stdout)
        self.assertEqual(coded, {"body_base64": base64.b64encode(b"old \xff\x00").decode()})
        file = self.server.home / "fixed"
        file.write_bytes(b"new \xfe\x00")
        self.server.baton("dead", "redrive", numbers["null"], "--body-file", str(file), check=0)
        self.server.baton("dead", "redrive", numbers['"second"'], "--body", "2", check=0)
        queued = self.queued()
        self.assertEqual(sorted(body for body, _ in queued), [b"2", b"new \xfe\x00"])
        self.assertEqual({properties.headers["kept"] for _, properties in queued}, {"yes"})
        self.assertIn("another body", self.ask(f"/api/dead/{numbers['null']}")["close_reason"])

    def test_what_makes_no_sense_is_refused(self):
        self.reject([b"1"])
        for body, said in (({"action": "redrive"}, "say which"),
                           ({"action": "redrive", "all": False}, "say which"),
                           ({"action": "redrive", "all": 1}, "true or false"),
                           ({"action": "redriv", "all": True}, "did you mean 'redrive'"),
                           ({"action": "redrive", "all": True, "rate": "0/s"}, "a rate is"),
                           ({"action": "redrive", "all": True, "rate": "99999999999999999999/s"}, "a rate is"),
                           ({"action": "redrive", "all": True, "rate": 5}, "must be text"),
                           ({"action": "redrive", "all": True, "stop_after": -1}, "stop_after"),
                           ({"action": "redrive", "all": True, "stop_after": 1.5}, "stop_after"),
                           ({"action": "redrive", "task": ""}, "is empty"),
                           ({"action": "redrive", "task": "x" * 100_000}, "1000 bytes"),
                           ({"action": "redrive", "task": "a\0b"}, "zero bytes"),
                           ({"action": "redrive", "run": "0193"}, "the whole id"),
                           ({"action": "redrive", "since": "yesterday"}, "must be a time"),
                           ({"action": "redrive", "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "before 'until'"),
                           ({"action": "drop", "all": True}, "why they are dropped"),
                           ({"action": "drop", "all": True, "reason": "x", "rate": "1/s"}, "sent again"),
                           ({"action": "drop", "all": True, "reason": "x" * 5000}, "4096 bytes"),
                           ({"action": "drop", "all": True, "reasn": "x"}, "did you mean 'reason'")):
            with self.subTest(body=str(body)[:80]):
                code, reason = self.refusal("/api/dead/jobs", body, "POST")
                self.assertEqual(code, 400, reason)
                self.assertIn(said, reason)
        for query in ("task=%ff%fe", "group=a%00b", "since=%ff", "error_type=" + "x" * 2000, "state=opn", "limit=0"):
            with self.subTest(query=query[:40]):
                self.assertEqual(self.refusal("/api/dead?" + query)[0], 400)
        self.assertEqual(self.ask("/api/dead?task=" + urllib.parse.quote("'; drop table dead_letter; -- \u6f22\u5b57")), [])
        self.assertEqual(self.refusal("/api/dead/jobs/99")[0], 404)
        self.assertEqual(self.refusal("/api/dead/jobs/x/cancel", {}, "POST")[0], 404)
        self.assertEqual(self.refusal("/api/dead/1/redrive", {"body": "x", "body_base64": "eA=="}, "POST")[0], 400)
        self.assertEqual(self.refusal("/api/dead/1/redrive", {"body_base64": "***"}, "POST")[0], 400)
        self.assertEqual(self.refusal("/api/dead/1?reason=%ff", None, "DELETE")[0], 400)
        self.assertIn("a rate is", self.server.baton("dead", "redrive", "--all", "--rate", "fast", check=2).stderr)
        self.assertEqual(self.groups()[0]["count"], 1, "nothing was touched")


class BulkOnPostgresTest(Bulk):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": self.store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    def test_groups(self):
        BulkTest.test_tasks_of_one_cause_are_one_group_and_are_sent_again_together(self)

    def test_kill(self):
        BulkTest.test_a_job_survives_kill_9_and_sends_every_message(self)

    def test_drop(self):
        BulkTest.test_what_is_dropped_keeps_its_reason(self)


if __name__ == "__main__":
    unittest.main()
