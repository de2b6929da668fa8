"""A thousand users while processes are killed: each run completes, each system has each user once."""
import collections
import json
import os
import unittest

import house

COUNT = int(os.environ.get("BATON_TEST_USERS", "1000"))


class CrashTest(unittest.TestCase):
    def provision(self, h, kill=None, pause=1.0):
        path, addresses = h.people(COUNT)
        killing = house.Repeatedly(kill or (lambda: None), pause)
        with killing:
            done = h.server.baton("run", "provision-user", "--each", str(path), "--json", timeout=500)
        if killing.error:
            raise killing.error
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + h.logs())
        summary = json.loads(done.stdout)
        self.assertEqual(summary["statuses"], {"completed": COUNT}, summary)
        state = h.server.sandbox_state()
        for system, field in (("mailboxes", "username"), ("redmine_users", "mail"), ("slack_users", "email")):
            counted = collections.Counter(entry.get(field) for entry in state[system])
            self.assertEqual({a: counted[a] for a in addresses}, {a: 1 for a in addresses}, system)
        return summary, killing.count

    def house(self, **kwargs):
        h = house.House(**kwargs)
        self.addCleanup(h.close)
        return h.start()

    def test_a_thousand_users(self):
        summary, _ = self.provision(self.house())
        print(f"{summary['seconds']:.1f} s", end=" ")

    def test_a_thousand_users_while_the_server_is_killed_every_second(self):
        h = self.house()

        def crash():
            h.server.kill()
            h.server.start()
        _, kills = self.provision(h, crash)
        print(f"{kills} kills", end=" ")
        self.assertGreaterEqual(kills, 1)

    def test_a_thousand_users_while_the_workers_are_killed(self):
        h = self.house()
        names = list(h.worker_names)

        def crash():
            name = names[0]
            names.append(names.pop(0))
            h.kill_worker(name)
            h.start_worker(name)
        _, kills = self.provision(h, crash, pause=0.5)
        print(f"{kills} kills", end=" ")
        self.assertGreaterEqual(kills, 1)


if __name__ == "__main__":
    unittest.main()
