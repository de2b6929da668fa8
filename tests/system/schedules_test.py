"""What starts by the clock: the verbs, a server that is killed at every point around a start, on both stores, and two
servers on one PostgreSQL of which one is killed."""
import collections
import datetime
import subprocess
import time
import unittest
import urllib.error

import baton
import cluster
import postgres

MINUTELY = """workflow = "minutely"
[[on]]
cron = "* * * * *"
overlap = "queue"
input = { at = "${event.scheduled_at}" }
[input]
at = { type = "string", required = true }
[[step]]
id = "note"
set = { at = "${input.at}", scheduled = "${run.scheduled_at}" }
[output]
at = "${note.at}"
scheduled = "${note.scheduled}"
"""

NIGHTLY = """workflow = "nightly"
[[on]]
cron = "15 2 * * *"
timezone = "Europe/Berlin"
catch_up = "6h"
[[step]]
id = "hold"
signal = "go"
"""


def runs_of(node, workflow):
    return node.http_json(node.http, f"/api/runs?workflow={workflow}&limit=1000")


def scheduled(node, workflow="minutely"):
    """By nominal time, how many runs there are; each ended with what its trigger gave."""
    found = collections.Counter()
    for run in runs_of(node, workflow):
        shown = node.http_json(node.http, "/api/runs/" + run["id"])
        if shown["status"] != "completed":
            continue
        assert shown["output"]["at"] == shown["output"]["scheduled"], shown
        found[shown["output"]["at"]] += 1
    return found


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def start_with(server, point=None):
    env = dict(server.env)
    if point:
        env["TEST_FAIL_POINT"] = point + ":1"
    with open(server.log_path, "ab") as log:
        server.process = subprocess.Popen([baton.EXE, "serve"], env=env, cwd=server.home, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log)


class Schedules:
    environment = {}

    def setUp(self):
        self.server = baton.Server(env=self.environment).start()
        self.addCleanup(self.server.close)

    def ask(self, path, body=None):
        return self.server.http_json(self.server.http, path, body)

    def schedule(self, name):
        """As it is as soon as the server knows its workflows."""
        def shown():
            try:
                return self.ask("/api/schedules?schedule=" + name)["schedules"][0]
            except urllib.error.HTTPError as error:
                self.assertEqual(error.code, 503)
        return baton.wait_for(shown, "the schedule is known")

    @staticmethod
    def plain(counted):
        found = collections.Counter()
        for moment, count in counted.items():
            found[moment[:19] + "Z"] += count
        return found


class SqliteSchedulesTest(Schedules, unittest.TestCase):
    def test_a_server_that_dies_around_a_start_starts_it_once(self):
        self.server.deploy(MINUTELY)
        day = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
        wanted = set()
        for number, point in enumerate(("triggers.due", "triggers.started", "triggers.stored")):
            begin = day + datetime.timedelta(hours=number)
            end = begin + datetime.timedelta(minutes=2)
            wanted |= {text_of(begin + datetime.timedelta(minutes=i)) for i in range(3)}
            self.server.kill()
            start_with(self.server, point)
            try:  # it dies while it answers, or a moment later
                baton.wait_for(lambda: self.server.process.poll() is not None or self.server.is_healthy(), "the server is there", 60)
                self.ask("/api/schedules/minutely/backfill", {"from": text_of(begin), "until": text_of(end)})
            except (OSError, AssertionError, ValueError):
                pass
            self.server.process.wait(60)
            self.assertEqual(self.server.process.returncode, -9, point)
            self.server.start()
            self.schedule("minutely")
            self.ask("/api/schedules/minutely/backfill", {"from": text_of(begin), "until": text_of(end)})
        baton.wait_for(lambda: wanted <= set(self.plain(scheduled(self.server))), "all have run", 60)
        counted = self.plain(scheduled(self.server))
        self.assertEqual({time: count for time, count in counted.items() if count != 1}, {})
        again = self.ask("/api/schedules/minutely/backfill", {"from": text_of(day), "until": text_of(day + datetime.timedelta(hours=3)), "dry_run": True})
        self.assertEqual(sum(one["started"] for one in again["times"]), 9)

    def test_a_real_minute_is_started_once_though_the_server_is_killed_around_it(self):
        self.server.deploy(MINUTELY)
        self.schedule("minutely")
        now = datetime.datetime.now(datetime.timezone.utc)
        minute = now.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1 if now.second < 50 else 2)
        time.sleep(max(0, (minute - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 0.05))
        for pause in (0.02, 0.1, 0.2):  # before it, about it, behind it
            time.sleep(pause)
            self.server.kill()
            self.server.start()
        baton.wait_for(lambda: text_of(minute) in self.plain(scheduled(self.server)), "it has run", 30)
        time.sleep(1)
        self.assertEqual(self.plain(scheduled(self.server))[text_of(minute)], 1)
        self.assertEqual(self.schedule("minutely")["missed"], 0)

    def test_the_verbs(self):
        self.assertIn("no deployed workflow has an [[on]] with cron", self.server.baton("schedules", check=0).stdout)
        self.server.deploy(NIGHTLY)
        shown = self.server.baton("schedules", check=0).stdout
        self.assertIn("nightly/cron  15 2 * * *  Europe/Berlin  overlap skip, catch up 6h", shown)
        self.assertEqual(shown.count("  next  "), 5)
        self.assertRegex(shown, r"next  20\d\d-\d\d-\d\d 0[23]:\d\d:00 \+0[12]:00  here ")
        self.assertEqual(self.server.baton("schedules", "pause", "nightly", "--reason", "moving", check=0).stdout.count("(next)"), 5)
        self.assertIn("pauses already, by guest", self.server.baton("schedules", "pause", "nightly/cron").stderr)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.schedule("nightly")["paused"]["reason"], "moving")
        self.server.baton("schedules", "resume", "nightly", check=0)
        self.assertIn("does not pause", self.server.baton("schedules", "resume", "nightly").stderr)

        self.assertIn("started", self.server.baton("schedules", "run", "nightly", check=0).stdout)
        first = self.schedule("nightly")["last"]
        self.assertEqual(first["why"], "by_hand")
        refused = self.server.baton("schedules", "run", "nightly").stderr
        self.assertIn(f"run {first['run']} of 'nightly' goes on, and its overlap is skip", refused)
        self.server.baton("schedules", "run", "nightly", "--beside", check=0)
        self.assertEqual(len(runs_of(self.server, "nightly")), 2)
        history = self.ask(f"/api/runs/{first['run']}/history")["history"][0]
        self.assertEqual(history["facts"][0]["actor"], "guest")

        dry = self.server.baton("schedules", "backfill", "nightly", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", "--dry-run", check=0).stdout
        self.assertIn("2026-03-29 03:00:00 +02:00", dry)  # 02:15 is skipped by the clock
        self.assertIn("3 of 3 start(s) would be made", dry)
        self.server.baton("schedules", "backfill", "nightly", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", check=0)
        self.assertEqual(len(self.schedule("nightly")["waiting"]), 3)
        for wrong, words in ((["2026-03-28T00:00:00Z", "2099-01-01T00:00:00Z"], "ends in the past"),
                             (["yesterday"], "must be a time such as"),
                             (["2026-03-28T00:00:00Z", "2026-03-27T00:00:00Z"], "begins before it ends")):
            with self.subTest(words):
                self.assertIn(words, self.server.baton("schedules", "backfill", "nightly", *wrong).stderr)
        self.assertIn("there is no schedule 'nightlee'", self.server.baton("schedules", "run", "nightlee").stderr)

        # Another version goes on; one without the trigger has no schedule.
        self.server.deploy(NIGHTLY.replace("6h", "7h"))
        baton.wait_for(lambda: self.schedule("nightly")["catch_up"] == "7h", "the new version is known")
        self.assertEqual(len(self.schedule("nightly")["waiting"]), 3)
        self.server.baton("undeploy", "nightly", check=0)
        baton.wait_for(lambda: self.ask("/api/schedules")["schedules"] == [], "it is gone")


class PostgresSchedulesTest(Schedules, unittest.TestCase):
    def setUp(self):
        database = postgres.Postgres()
        self.addCleanup(database.close)
        suppressions = database.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.environment = {"BATON_DB_URL": database.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        super().setUp()

    # The CMake lists tests by `def`; these names are its own.
    def test_postgres_dies_around_a_start(self):
        SqliteSchedulesTest.test_a_server_that_dies_around_a_start_starts_it_once(self)

    def test_postgres_real_minute(self):
        SqliteSchedulesTest.test_a_real_minute_is_started_once_though_the_server_is_killed_around_it(self)


class TwoServersTest(unittest.TestCase):
    def test_of_two_servers_one_starts_and_the_other_goes_on_when_it_is_killed(self):
        house = cluster.Cluster(2)
        self.addCleanup(house.close)
        a, b = house.nodes
        # As many as make it certain that both own some.
        names = [f"m{number}" for number in range(12)]
        for name in names:
            a.deploy(MINUTELY.replace('"minutely"', f'"{name}"'))
        house.await_shared_out(house.nodes)

        def know_all():
            return all(len(node.http_json(node.http, "/api/schedules")["schedules"]) == len(names) for node in house.nodes)
        baton.wait_for(know_all, "both know the schedules", 30)
        began = datetime.datetime.now(datetime.timezone.utc)
        first = began.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1 if began.second < 50 else 2)
        at_b = "/api/schedules/m0/backfill"
        span = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-01T00:04:00Z"}
        b.http_json(b.http, at_b, span)
        a.http_json(a.http, at_b, span)
        time.sleep(max(0, (first - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 0.1))
        b.kill()
        second = first + datetime.timedelta(minutes=1)
        time.sleep(max(0, (second - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))

        def counted(name):
            return Schedules.plain(scheduled(a, name))
        for name in names:
            for minute in (first, second):
                baton.wait_for(lambda: text_of(minute) in counted(name), f"{name} has run at {minute}", 60)
        for name in names:
            self.assertEqual({when: count for when, count in counted(name).items() if count != 1}, {}, name)
        self.assertEqual(sum(when.startswith("2026-03-01") for when in counted("m0")), 5)
        shown = a.http_json(a.http, "/api/schedules")["schedules"]
        self.assertEqual([(one["schedule"], one["missed"]) for one in shown if one["missed"]], [])


if __name__ == "__main__":
    unittest.main()
