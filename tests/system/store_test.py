"""The database file of a running server, touched from outside: another program may read it, back it up
and check its log in, and every run that was acknowledged is there after kill -9."""
import sqlite3
import subprocess
import sys
import unittest

import baton

WORKFLOW = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'

# In a process of its own: POSIX locks belong to processes, so a reader inside the test proves as much.
BACKUP = """
import sqlite3, sys
source, target = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(target)
target.close()
source.execute("pragma wal_checkpoint(truncate)").fetchall()
source.close()
"""


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        path = self.server.home / "one.toml"
        path.write_text(WORKFLOW)
        self.server.baton("deploy", str(path), check=0)

    def run_some(self, count):
        for _ in range(count):
            self.server.baton("run", "one", check=0)

    def runs(self):
        return len(self.server.http_json(self.server.http, "/api/runs?limit=100"))

    def test_runs_after_an_outside_backup_survive_a_crash(self):
        self.run_some(2)
        database = self.server.home / "data" / "baton.sqlite"
        copy = self.server.home / "copy.sqlite"
        subprocess.run([sys.executable, "-c", BACKUP, str(database), str(copy)], check=True, timeout=60)
        self.assertTrue((database.parent / "baton.sqlite-wal").exists(), "the log of a live database is gone")
        self.run_some(3)
        self.server.kill()

        self.server.start()

        self.assertEqual(self.runs(), 5)
        with sqlite3.connect(copy) as copied:
            self.assertEqual(copied.execute("pragma integrity_check").fetchone(), ("ok",))


if __name__ == "__main__":
    unittest.main()
