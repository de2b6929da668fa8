"""Several orchestrators on one PostgreSQL and one broker: their runs go on when one of them is killed, hangs,
is stopped or drained, and when another one comes."""
import os
import signal
import time
import unittest
import urllib.error

import baton
import cluster


class ClusterTest(unittest.TestCase):
    def make(self, orchestrators=2):
        house = cluster.Cluster(orchestrators)
        self.addCleanup(house.close)
        house.nodes[0].deploy(cluster.WORKFLOW)
        worker = cluster.Worker(house.broker_url)
        self.addCleanup(worker.close)
        house.await_shared_out(house.nodes)
        return house, worker

    def assert_all_went_well(self, node, worker, runs):
        self.assertGreater(len(runs), 10)
        self.assertEqual(cluster.verdict(node, worker, runs), [])
        again = sum(count - 1 for count in worker.asked.values())
        print(f"\n  {len(runs)} runs, {again} tasks were asked for again")

    def test_runs_go_on_when_a_node_is_killed(self):
        house, worker = self.make(3)
        load = cluster.Load(house.nodes)
        baton.wait_for(lambda: len(load.runs) > 30, "runs are started", 60)
        a, b, c = house.nodes
        worker.is_asleep = True
        waiting = cluster.start_some(b, 20)
        killed = time.time()
        b.kill()
        worker.is_asleep = False
        taken = house.await_shared_out([a, c])
        served = cluster.last_end(a, waiting) - killed
        print(f"\n  kill -9: taken over after {taken:.2f} s; 20 runs of three steps each that waited there have ended after {served:.2f} s")
        # Its lost connection told it, not the end of its lease. How fast that is (half a second) no busy machine can show.
        self.assertIn("a node is dead; its partitions are taken over", a.log() + c.log())
        self.assertLess(taken, 20.0)
        self.assertLess(served, 40.0)
        self.assert_all_went_well(a, worker, {**load.stop(), **dict(enumerate(waiting, 10**6))})

    def test_a_node_that_hangs_is_replaced_and_does_no_harm_when_it_wakes(self):
        house, worker = self.make()
        load = cluster.Load(house.nodes)
        a, b = house.nodes
        baton.wait_for(lambda: len(load.runs) > 20, "runs are started", 60)
        worker.is_asleep = True
        waiting = cluster.start_some(b, 20)
        stopped = time.time()
        os.kill(b.process.pid, signal.SIGSTOP)
        worker.is_asleep = False

        def has_everything():
            return [len(one["partitions"]) for one in house.state(a)["nodes"] if one["this"]] == [16]
        began = time.monotonic()
        baton.wait_for(has_everything, "the other one takes everything", 30)
        took = time.monotonic() - began
        served = cluster.last_end(a, waiting) - stopped
        print(f"\n  SIGSTOP: taken over after {took:.2f} s, a lease is 5 s; 20 runs of three steps each that waited there have ended "
              f"after {served:.2f} s")
        self.assertGreater(took, 3)
        self.assertLess(served, 30)
        self.assertEqual([one["state"] for one in house.state(a)["nodes"] if not one["this"]], ["hangs"])
        time.sleep(1)
        os.kill(b.process.pid, signal.SIGCONT)
        house.await_shared_out([a, b])
        self.assert_all_went_well(b, worker, {**load.stop(), **dict(enumerate(waiting, 10**6))})

    def test_one_that_comes_and_one_that_is_stopped_in_order_lose_nothing(self):
        house, worker = self.make()
        load = cluster.Load(house.nodes)
        a, b = house.nodes
        baton.wait_for(lambda: len(load.runs) > 20, "runs are started", 60)
        c = house.add()
        print(f"\n  a third has its share {house.await_shared_out([a, b, c]):.2f} s after it was there")
        began = time.monotonic()
        self.assertEqual(a.stop(), 0)
        print(f"  SIGTERM took {time.monotonic() - began:.2f} s")
        house.await_shared_out([b, c])
        self.assertIn("partitions given back", a.log())
        runs = load.stop()
        self.assert_all_went_well(b, worker, runs)
        for node in (b, c):
            self.assertNotIn("another node has taken over", node.log(), "handed over, not torn away")

    def test_a_node_drains_goes_on_answering_and_comes_back(self):
        house, worker = self.make()
        a, b = house.nodes
        a.baton("drain", check=0)
        baton.wait_for(lambda: house.shares(b).get(a.process.pid) == 0, "it has nothing any more")
        self.assertIn("drains", a.baton("nodes", check=0).stdout)
        started = a.http_json(a.http, "/api/runs", {"workflow": "chain", "input": {"n": 1}})
        self.assertTrue(started["new"])
        closed = a.http_json(a.http, f"/api/runs/{started['run']}/history?after=1000&wait=20")
        self.assertEqual(closed["status"], "completed")
        refused = b.baton("drain", check=1)
        self.assertIn("no other server", refused.stderr)
        a.baton("drain", "--undo", check=0)
        house.await_shared_out([a, b])
        self.assertEqual(cluster.verdict(a, worker, {1: started["run"]}), [])

    def test_what_is_asked_at_any_node_is_done(self):
        house, worker = self.make()
        a, b = house.nodes
        a.deploy('workflow = "waits"\n[[step]]\nid = "a"\ntask = "nobody.comes"\nretry = { max_attempts = 1 }\n')
        runs = [node.http_json(node.http, "/api/runs", {"workflow": "waits"})["run"] for node in (a, b) for _ in range(4)]
        for number, run in enumerate(runs):
            node = (b, a)[number % 2]
            with self.subTest(run=run):
                waiting = node.http_json(node.http, f"/api/runs/{run}/history?after=0&wait=5")
                self.assertEqual(waiting["status"], "running")
                done = node.http_json(node.http, f"/api/runs/{run}/cancel", {"reason": "asked elsewhere"})
                self.assertEqual(done["run"], run)
                shown = baton.wait_for(lambda: self.closed(node, run), "it ends")
                self.assertEqual(shown["status"], "cancelled")
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    node.http_json(node.http, f"/api/runs/{run}/retry", {"now": "x"})
                self.assertEqual(refused.exception.code, 400)
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    node.http_json(node.http, f"/api/runs/{run}/cancel", {})
                self.assertEqual(refused.exception.code, 409)
        keyed = [node.http_json(node.http, "/api/runs", {"workflow": "waits", "key": "once"})["run"] for node in (a, b, a)]
        self.assertEqual(len(set(keyed)), 1)
        # A new version at one node is what a start at the other one takes.
        b.deploy('workflow = "waits"\n[[step]]\nid = "b"\nset = { x = 1 }\n')
        def newest():
            return a.http_json(a.http, "/api/runs", {"workflow": "waits"}).get("version") == 2
        baton.wait_for(newest, "the new version is live everywhere", 5)

    @staticmethod
    def closed(node, run):
        shown = node.http_json(node.http, f"/api/runs/{run}/history?wait=1&after=1000")
        return shown if shown["status"] not in ("running", "compensating") else None

    def test_a_restart_of_the_database_and_of_the_broker_is_ridden_out(self):
        house, worker = self.make()
        load = cluster.Load(house.nodes)
        a, b = house.nodes
        baton.wait_for(lambda: len(load.runs) > 20, "runs are started", 60)
        house.postgres.restart()
        before = len(load.runs)
        baton.wait_for(lambda: len(load.runs) > before + 10, "runs are started again", 60)
        house.broker.kill()
        house.broker.start()
        before = len(load.runs)
        baton.wait_for(lambda: len(load.runs) > before + 10, "runs are started again", 60)
        house.await_shared_out([a, b])
        self.assert_all_went_well(a, worker, load.stop())


if __name__ == "__main__":
    unittest.main()
