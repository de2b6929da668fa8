"""A workflow that calls itself for each of many items: the runs it leads to end at a limit, the server answers
meanwhile, and all of them are found and ended by their root."""
import time
import unittest

import baton
import postgres

TREE = """
workflow = "tree"
[defaults]
retry = { max_attempts = 1 }
[input]
items = { type = "array", default = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }
[[step]]
id = "again"
for_each = "input.items"
workflow = "tree"
"""

# Its runs stay open until somebody ends them.
WOOD = """
workflow = "wood"
[[step]]
id = "many"
for_each = "[1, 2, 3, 4, 5]"
workflow = "wood"
detached = true
[[step]]
id = "wait"
signal = "never"
"""

RUNS_MAX = 100


class FamilyTest(unittest.TestCase):
    def serve(self, is_shared):
        env = {"BATON_FAMILY_RUNS_MAX": str(RUNS_MAX)}
        if is_shared:
            database = postgres.Postgres()
            self.addCleanup(database.close)
            env["BATON_DB_URL"] = database.url
        self.server = baton.Server(env=env).start()
        self.addCleanup(self.server.close)
        for source in (TREE, WOOD):
            self.server.deploy(source)

    def begin(self, workflow):
        return self.server.http_json(self.server.http, "/api/runs", {"workflow": workflow})["run"]

    def shown(self, run):
        return self.server.http_json(self.server.http, "/api/runs/" + run)

    def found(self, query):
        return self.server.json("runs", query, "--all")

    def check(self, is_shared):
        self.serve(is_shared)
        root = self.begin("tree")
        slowest = 0

        def ended():
            nonlocal slowest
            begun = time.monotonic()
            one = self.shown(root)
            slowest = max(slowest, time.monotonic() - begun)
            return one["status"] not in ("running", "compensating") and one
        shown = baton.wait_for(ended, "the run ends", timeout=120)
        self.assertEqual(shown["status"], "failed")
        # Of the last that began; each above it failed by the one below.
        self.assertIn(f"has led to {RUNS_MAX} runs", shown["error"])
        self.assertTrue(self.found("error:baton.too_many_runs root:" + root))
        family = self.found("root:" + root)
        self.assertLessEqual(len(family), RUNS_MAX)
        self.assertGreater(len(family), RUNS_MAX // 2)
        self.assertNotIn(root, [one["id"] for one in family])
        self.assertLess(slowest, 5, "the server answers meanwhile")

        # Over a kill -9 in the middle nothing is counted twice or forgotten.
        root = self.begin("wood")
        baton.wait_for(lambda: len(self.found("root:" + root)) > 20, "some have begun")
        self.server.kill()
        self.server.start()

        def quiet():
            before = len(self.found("root:" + root))
            time.sleep(1)
            return before >= RUNS_MAX - 3 and before == len(self.found("root:" + root)) and before
        count = baton.wait_for(quiet, "no more begin", timeout=120)
        self.assertLessEqual(count, RUNS_MAX)
        # The beginning of an id is enough.
        self.assertEqual(len(self.found("root:" + root[:20])), count)
        self.server.baton("cancel", "--where", "root:" + root + " status:open", "--rate", "1000", "--reason", "it never ends")  # some end by themselves
        baton.wait_for(lambda: not self.found("root:" + root + " status:open"), "all are ended", timeout=60)

    def test_sqlite(self):
        self.check(False)

    def test_postgres(self):
        self.check(True)


if __name__ == "__main__":
    unittest.main()
