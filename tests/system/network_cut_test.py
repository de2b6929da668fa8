"""The network between the server and its database or broker is cut: packets vanish, nobody hangs up. Who asks is told
in time, a stop stays below ten seconds, and everything goes on when the packets come through again.

In a network of the test's own, so that its rules are nobody else's."""
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error

import baton
import postgres

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import brokers  # noqa: E402 - lives beside the conformance tests

CLONE_NEWNET = 0x40000000
SET = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'


def own_network():
    """Why there is none; empty: from here on this process and its children are in one."""
    if os.geteuid() != 0 or not shutil.which("iptables") or not shutil.which("ip"):
        return "needs root, iptables and iproute2"
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return "no network of our own: " + os.strerror(ctypes.get_errno())
    for command in (["ip", "link", "set", "lo", "up"], ["iptables", "-w", "-L", "-n"]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            return done.stderr.strip()
    return ""


class NetworkCutTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = own_network()
        if why:
            raise unittest.SkipTest(why)

    def setUp(self):
        self.is_cut = False

    def rules(self, action, port):
        for chain, side in (("INPUT", "--dport"), ("INPUT", "--sport")):
            subprocess.run(["iptables", "-w", action, chain, "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP"],
                           check=True, timeout=30)

    def cut(self, port):
        self.rules("-I", port)
        self.is_cut = True
        self.addCleanup(lambda: self.is_cut and self.mend(port))

    def mend(self, port):
        self.rules("-D", port)
        self.is_cut = False

    def serve(self, env, amqp=None):
        self.server = baton.Server(env=env)
        self.addCleanup(self.server.close)
        self.server.amqp = amqp or self.server.amqp
        self.server.start()
        self.server.deploy(SET)
        self.run_one()

    def run_one(self, timeout=30):
        self.server.baton("run", "one", timeout=timeout, check=0)

    def health(self):
        begun = time.monotonic()
        try:
            status, answer = 200, self.server.http_json(self.server.http, "/api/health", timeout=10)
        except urllib.error.HTTPError as refusal:
            status, answer = refusal.code, json.loads(refusal.read())
        return status, answer, time.monotonic() - begun

    def await_failing(self, part, seconds):
        begun = time.monotonic()
        longest = 0.0
        while True:
            status, answer, took = self.health()
            longest = max(longest, took)
            if part in answer.get("failing", []):
                break
            self.assertLess(time.monotonic() - begun, seconds, answer)
            time.sleep(0.2)
        self.assertEqual(status, 503)
        self.assertLess(longest, 2.5, "an answer of /api/health")

    def await_well(self, seconds):
        baton.wait_for(lambda: self.health()[1]["status"] == "ok", "all is well again", seconds, pause=0.3)

    def assert_stops(self):
        begun = time.monotonic()
        self.server.process.terminate()
        self.server.process.wait(30)
        self.assertLess(time.monotonic() - begun, 10)

    def database(self):
        store = postgres.Postgres()
        self.addCleanup(store.close)
        suppressions = store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.serve({"BATON_DB_URL": store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"})
        return store

    def test_a_database_behind_a_cut(self):
        store = self.database()
        self.cut(store.port)
        self.await_failing("store", 5)
        begun = time.monotonic()
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.server.http_json(self.server.http, "/api/runs", timeout=60)
        self.assertEqual(refused.exception.code, 503)
        self.assertLess(time.monotonic() - begun, 15)
        begun = time.monotonic()
        self.assertIsInstance(self.server.http_json(self.server.http, "/api/queues", timeout=10), list)
        self.assertLess(time.monotonic() - begun, 2, "who needs no database is served")
        # Longer than connections are given up after.
        time.sleep(25)
        self.mend(store.port)
        self.await_well(45)
        self.run_one()

    def test_a_stop_behind_a_cut_database(self):
        store = self.database()
        self.cut(store.port)
        self.await_failing("store", 5)
        self.assert_stops()

    def outside(self):
        if not pathlib.Path(brokers.RABBITMQ).exists():
            self.skipTest("RabbitMQ is not installed")
        node = self.enterContext(brokers.start("rabbitmq"))
        # Its name server is a program of its own, here in a network that nobody else sees.
        self.addCleanup(subprocess.run, ["epmd", "-kill"], capture_output=True, timeout=30)
        self.serve({"BATON_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{node.port}/"}, amqp=node.port)
        return node

    def test_a_rabbitmq_behind_a_cut(self):
        node = self.outside()
        self.cut(node.port)
        # Asked every five seconds, and given ten to answer.
        self.await_failing("broker", 25)
        self.assertIsInstance(self.server.http_json(self.server.http, "/api/runs", timeout=10), list)
        self.mend(node.port)
        self.await_well(90)
        self.run_one()

    def test_a_stop_behind_a_cut_rabbitmq(self):
        node = self.outside()
        self.cut(node.port)
        self.assert_stops()


if __name__ == "__main__":
    unittest.main()
