"""Several orchestrators on one PostgreSQL and one broker, as processes of their own, and a worker with a
ledger: what it did, by idempotency key, and how often it was asked."""
import collections
import datetime
import os
import signal
import sys
import threading
import time
import urllib.error

import pika

import baton
import postgres

STEPS = ("one", "two", "three")
WORKFLOW = """
workflow = "chain"
timeout = "10m"
[input]
n = { type = "integer" }
[defaults]
retry = { max_attempts = 20, initial_interval = "100ms", max_interval = "1s" }
timeout = "20s"
""" + "".join(f'[[step]]\nid = "{step}"\ntask = "ledger.{step}"\nwith = {{ n = "${{input.n}}" }}\n' for step in STEPS)


class Worker:
    """Does the tasks ledger.* and keeps a ledger. It comes back by itself when the broker goes."""

    def __init__(self, urls):
        self.urls = urls if isinstance(urls, list) else [urls]
        self.asked = collections.Counter()    # by idempotency key: asked for
        self.is_stopping = self.is_asleep = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        turn = 0
        while not self.is_stopping:
            turn += 1
            try:
                connection = pika.BlockingConnection(pika.URLParameters(self.urls[turn % len(self.urls)] + "?heartbeat=5"))
                channel = connection.channel()
                channel.basic_qos(prefetch_count=50)
                for step in STEPS:
                    channel.basic_consume(f"baton.task.ledger.{step}", self.perform)
                while not self.is_stopping:
                    if self.is_asleep:
                        time.sleep(0.01)
                    else:
                        connection.process_data_events(0.1)
                connection.close()
            except Exception:  # whatever the broker's end looks like from here
                time.sleep(0.1)

    def perform(self, channel, method, properties, body):
        key = properties.headers["baton-idempotency-key"]
        self.asked[key] += 1
        channel.basic_publish("", properties.reply_to, b'{"done":true}', pika.BasicProperties(
            type="completed", correlation_id=properties.correlation_id, content_type="application/json", delivery_mode=2))
        channel.basic_ack(method.delivery_tag)

    def close(self):
        self.is_stopping = True
        self.thread.join(20)


class Cluster:
    def __init__(self, orchestrators=2, broker=None):
        """`broker`: (port, url) of one that runs; else a `baton serve --role broker`."""
        self.postgres = postgres.Postgres()
        self.leaks = self.postgres.folder / "leaks"
        self.leaks.write_text("leak:libpqxx\n")  # of a connection that ends in the middle of an answer
        self.broker = None
        if broker is None:
            self.broker = baton.Server(args=["--role", "broker"]).start()
            broker = (self.broker.amqp, self.broker.env["BATON_AMQP"])
        self.broker_port, self.broker_url = broker
        self.nodes = []
        for _ in range(orchestrators):
            self.add()

    def make(self):
        node = baton.Server(args=["--role", "orchestrator"],
                            env={"BATON_BROKER_URL": self.broker_url, "BATON_DB_URL": self.postgres.url,
                                 "LSAN_OPTIONS": f"suppressions={self.leaks}"})
        node.amqp = self.broker_port
        self.nodes.append(node)
        return node

    def add(self):
        return self.make().start()

    def state(self, at=None):
        node = at or next(n for n in self.nodes if n.process and n.process.poll() is None)
        return node.http_json(node.http, "/api/orchestrators")

    def shares(self, at=None):
        """How many partitions each living process owns, by pid."""
        return {int(one["node"].split(":")[1]): len(one["partitions"]) for one in self.state(at)["nodes"]}

    def is_shared_out(self, pids, at=None):
        try:
            shares = self.shares(at)
        except (OSError, urllib.error.URLError):
            return False
        return set(shares) == set(pids) and sum(shares.values()) == 16 and min(shares.values()) > 0

    def await_shared_out(self, nodes, at=None, timeout=20.0):
        pids = [node.process.pid for node in nodes]
        began = time.monotonic()
        try:
            baton.wait_for(lambda: self.is_shared_out(pids, at or nodes[0]), "the partitions are shared out", timeout, 0.01)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.state(at or nodes[0])}\n" + "\n".join(n.log()[-2000:] for n in nodes)) from None
        return time.monotonic() - began

    def close(self):
        troubles = []
        for node in self.nodes:
            log = node.log()
            troubles += [log[-6000:] for word in ("AddressSanitizer", "runtime error:", "broken invariant") if word in log]
            if node.process and node.process.poll() is None:
                os.kill(node.process.pid, signal.SIGCONT)
                node.kill()
            node.close()
        if self.broker:
            self.broker.close()
        self.postgres.close()
        if troubles:
            raise AssertionError("sanitizers or invariants complain:\n" + "\n".join(troubles))


class Load:
    """Starts runs at all nodes in turn, each with a key of its own, until it is stopped; a start that fails
    is tried again at the next node with the same key."""

    def __init__(self, nodes, pause=0.02):
        self.nodes, self.pause = nodes, pause
        self.runs = {}  # by number
        self.is_stopping = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        number = turn = 0
        while not self.is_stopping:
            turn += 1
            node = self.nodes[turn % len(self.nodes)]
            try:
                started = node.http_json(node.http, "/api/runs", {"workflow": "chain", "input": {"n": number}, "key": f"key-{number}"},
                                         timeout=3)
                if not started.get("accepted"):  # else it has it in its memory, and may be killed
                    self.runs[number] = started["run"]
                    number += 1
            except Exception:
                pass  # the node is dead or hangs; the next one is asked
            time.sleep(self.pause)

    def stop(self):
        self.is_stopping = True
        self.thread.join(60)
        return self.runs


def start_some(node, count):
    """Runs of the node's own partitions."""
    return [node.http_json(node.http, "/api/runs", {"workflow": "chain", "input": {"n": -1 - n}, "key": f"some-{node.http}-{n}"})["run"]
            for n in range(count)]


def last_end(node, runs, timeout=60.0):
    """When the last of them had ended, in seconds since 1970."""
    def ends():
        closed = [node.http_json(node.http, f"/api/runs/{run}")["closed_at"] for run in runs]
        return closed if all(closed) else None
    last = max(baton.wait_for(ends, "all of them end", timeout, 0.2))
    return datetime.datetime.fromisoformat(last.replace("Z", "+00:00")).timestamp()


def verdict(node, worker, runs, timeout=120.0):
    """Waits until every run has ended and says what is wrong; empty: nothing."""
    def open_runs():
        counts = node.http_json(node.http, "/api/counts")
        return sum(one["count"] for one in counts if one["status"] in ("queued", "running", "paused", "compensating"))
    troubles = []
    try:
        baton.wait_for(lambda: open_runs() == 0, "every run ends", timeout, 0.1)
    except AssertionError as error:
        stuck = [run["id"] for run in node.http_json(node.http, "/api/runs?status=running&limit=20")]
        troubles.append(f"{error}; stuck: {stuck}")
    counts = node.http_json(node.http, "/api/counts")
    by_status = {one["status"]: one["count"] for one in counts}
    # The last start may have been done without an answer.
    if by_status.get("completed", 0) - len(runs) not in (0, 1) or set(by_status) != {"completed"}:
        troubles.append(f"{len(runs)} runs were started, and {by_status}")
    if len(set(runs.values())) != len(runs):
        troubles.append("two keys have one run")
    for run in runs.values():
        for step in STEPS:
            if f"{run}/{step}" not in worker.asked:
                troubles.append(f"{run}/{step} was never asked for")
    # Who was asked twice can tell by the key: there is one for each step.
    strange = set(worker.asked) - {f"{run}/{step}" for run in runs.values() for step in STEPS}
    if len(strange) > len(STEPS):
        troubles.append(f"other keys than those of the runs: {sorted(strange)[:20]}")
    # No transition twice: the numbers are without a gap, and each step is completed once.
    for run in list(runs.values())[:300]:
        history = node.http_json(node.http, f"/api/runs/{run}/history")["history"]
        done = collections.Counter(fact.get("step") for row in history for fact in row["facts"] if fact["fact"] == "task_completed")
        if [row["seq"] for row in history] != list(range(1, len(history) + 1)) or set(done.values()) != {1} or len(done) != len(STEPS):
            troubles.append(f"{run}: {[row['seq'] for row in history]} {dict(done)}")
    return troubles


if __name__ == "__main__":
    sys.exit("this is a module; cluster_test.py and cluster_trial.py use it")
