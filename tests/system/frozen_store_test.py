"""A database that hangs without hanging up: whoever needs it is told so in time, everybody else is
served, the server stops when it is asked to, and goes on when the database does."""
import json
import subprocess
import threading
import time
import unittest
import urllib.error

import baton
import postgres

WORKFLOW = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'


class FrozenStoreTest(unittest.TestCase):
    def setUp(self):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        # libpqxx loses a result when the connection breaks under a statement, which is what we do to it.
        suppressions = self.store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.server = baton.Server(env={"BATON_DB_URL": self.store.url,
                                        "LSAN_OPTIONS": f"suppressions={suppressions}"}).start()
        self.addCleanup(self.server.close)
        self.addCleanup(self.thaw)
        self.server.deploy(WORKFLOW)
        self.server.baton("run", "one", check=0)
        self.ask("/api/runs")

    def thaw(self):
        if self.store.is_frozen:
            self.store.thaw()

    def ask(self, path, body=None):
        """Status, answer, seconds."""
        begun = time.monotonic()
        try:
            status, answer = 200, self.server.http_json(self.server.http, path, body, timeout=60)
        except urllib.error.HTTPError as refusal:
            status, answer = refusal.code, json.loads(refusal.read())
        return status, answer, time.monotonic() - begun

    def freeze_under_way(self):
        """The engine waits for a commit, and two people for a list."""
        self.store.freeze()
        self.answers = []
        self.askers = [threading.Thread(target=self.try_to_ask, args=("/api/runs",)) for _ in range(2)]
        start = threading.Thread(target=self.try_to_ask, daemon=True,
                                 args=("/api/runs", {"workflow": "one", "key": "while frozen"}))
        for thread in [*self.askers, start]:
            thread.start()
        time.sleep(0.5)  # nothing shows from outside that they have arrived

    def try_to_ask(self, *request):
        try:
            self.answers.append(self.ask(*request))
        except OSError:
            pass  # the server has stopped

    def test_others_are_served_and_askers_are_told(self):
        self.freeze_under_way()

        status, answer, seconds = self.ask("/api/health")
        self.assertEqual((status, answer["status"], answer["parts"]["broker"]), (503, "failing", "ok"))
        self.assertIn("store", answer["reason"])
        self.assertLess(seconds, 2)
        status, _, seconds = self.ask("/api/queues")
        self.assertEqual(status, 200)
        self.assertLess(seconds, 2)
        for thread in self.askers:
            thread.join(20)
        self.assertEqual([status for status, _, _ in self.answers], [503, 503])
        for _, answer, seconds in self.answers:
            self.assertIn(f"127.0.0.1:{self.store.port}", answer["reason"])
            self.assertLess(seconds, 15)

        self.store.thaw()
        baton.wait_for(self.server.is_healthy, "the store is back", 30)
        self.server.baton("run", "one", check=0)
        self.assertEqual(self.ask("/api/runs")[0], 200)

    def test_what_was_refused_for_the_frozen_store_never_happens(self):
        """Behind a commit that hangs: 503, and nothing of it later either."""
        self.server.deploy('workflow = "waits"\n[[step]]\nid = "a"\nwait = "1h"\n')
        run = self.server.http_json(self.server.http, "/api/runs", {"workflow": "waits"})["run"]
        self.freeze_under_way()
        source = WORKFLOW.replace('"one"', '"late"')
        asked = [("/api/runs/" + run + "/cancel", {"reason": "late"}, "POST"), ("/api/runs/" + run + "/finish", {"status": "failed", "reason": "late"}, "POST"),
                 ("/api/workflows", {"source": source, "file": "late.toml"}, "POST"), ("/api/workflows/one", None, "DELETE")]
        refused = []

        def ask(path, body, method):
            try:
                refused.append(self.server.http_json(self.server.http, path, body, method, timeout=60))
            except urllib.error.HTTPError as refusal:
                refused.append((refusal.code, json.loads(refusal.read())["reason"]))
        threads = [threading.Thread(target=ask, args=one) for one in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(70)
        # The ids of runs are whole, so that the frozen store is not asked for them.
        self.assertEqual([status for status, _ in refused], [503] * 4, refused)
        self.assertTrue(all("nothing was changed" in reason for _, reason in refused), refused)

        self.store.thaw()
        baton.wait_for(self.server.is_healthy, "the store is back", 30)
        self.server.baton("run", "one", check=0)
        self.assertEqual(self.ask("/api/runs/" + run)[1]["status"], "running")
        self.assertNotIn("late", [one["name"] for one in self.ask("/api/workflows")[1]])

    def test_a_stop_does_not_wait_for_a_store_that_hangs_at_the_start(self):
        """The server waits in its first transaction, behind somebody's lock, when the store freezes."""
        lock = subprocess.Popen([self.store.programs / "psql", "-qAt", self.store.url], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True, cwd="/", **self.store.account)
        self.addCleanup(lock.wait)
        self.addCleanup(lock.kill)
        lock.stdin.write("select pg_advisory_lock(422926020462); select 'held';\n")
        lock.stdin.flush()
        while "held" not in lock.stdout.readline():
            pass
        self.server.stop()
        with open(self.server.log_path, "ab") as log:
            starting = subprocess.Popen([baton.EXE, "serve"], env=self.server.env, cwd=self.server.home,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(starting.wait)
        self.addCleanup(starting.kill)
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted;"
        baton.wait_for(lambda: self.ask_database(waits) == "1", "the server waits for the lock", 60)
        self.store.freeze()
        begun = time.monotonic()

        starting.terminate()

        starting.wait(30)
        self.assertLess(time.monotonic() - begun, 10)

    def ask_database(self, question):
        return subprocess.run([self.store.programs / "psql", "-qAt", self.store.url, "-c", question], text=True, timeout=20,
                              capture_output=True, cwd="/", **self.store.account).stdout.strip()

    def test_a_stop_does_not_wait_for_the_store(self):
        self.freeze_under_way()
        begun = time.monotonic()

        code = self.server.stop(timeout=30)

        self.assertEqual(code, 0, self.server.log()[-3000:])
        self.assertLess(time.monotonic() - begun, 10)
        for thread in self.askers:
            thread.join(20)


if __name__ == "__main__":
    unittest.main()
