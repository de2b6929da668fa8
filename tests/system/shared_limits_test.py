"""A named limit over three orchestrators on one PostgreSQL and one broker: a worker counts what it has in its
hands, while orchestrators are killed with kill -9 and new ones come."""
import collections
import threading
import time
import unittest

import pika

import baton
import cluster

WORKFLOW = """
workflow = "{name}"
timeout = "10m"
[limits.crm]
{limit}
[[step]]
id = "all"
for_each = "[1, 2, 3, 4]"
max_parallel = 4
task = "crm.call"
limit = "crm"
timeout = "2m"
"""


class Counter:
    """Takes all tasks it is given, keeps each for a while, and counts how many it has. A task that comes twice,
    since a server died before it knew that the broker has it, is one: it has one key."""

    def __init__(self, url, seconds):
        self.url, self.seconds = url, seconds
        self.times = []                      # when each was taken
        self.done = collections.Counter()    # by key
        self.in_hand = {}                    # by key: until when, and what to answer
        self.most = 0
        self.is_stopping = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.is_stopping:
            try:
                connection = pika.BlockingConnection(pika.URLParameters(self.url))
                channel = connection.channel()
                channel.basic_qos(prefetch_count=200)
                channel.basic_consume("baton.task.crm.call", self.take)
                while not self.is_stopping:
                    connection.process_data_events(0.01)
                    now = time.monotonic()
                    for key in [key for key, (until, _, _) in self.in_hand.items() if until <= now]:
                        _, tag, properties = self.in_hand.pop(key)
                        self.done[key] += 1
                        self.answer(channel, tag, properties)
                connection.close()
            except pika.exceptions.AMQPError:
                self.in_hand.clear()
                time.sleep(0.1)

    def take(self, channel, method, properties, body):
        key = properties.headers["baton-idempotency-key"]
        if key in self.done:
            self.answer(channel, method.delivery_tag, properties)
        elif key in self.in_hand:
            channel.basic_ack(method.delivery_tag)
        else:
            self.times.append(time.monotonic())
            self.in_hand[key] = (time.monotonic() + self.seconds, method.delivery_tag, properties)
            self.most = max(self.most, len(self.in_hand))

    @staticmethod
    def answer(channel, tag, properties):
        channel.basic_publish("", properties.reply_to, b"{}", pika.BasicProperties(
            type="completed", correlation_id=properties.correlation_id, content_type="application/json", delivery_mode=2))
        channel.basic_ack(tag)

    def close(self):
        self.is_stopping = True
        self.thread.join(20)


class SharedLimitsTest(unittest.TestCase):
    def make(self, limit, seconds, names=("one", "two")):
        house = cluster.Cluster(3)
        self.addCleanup(house.close)
        for name in names:
            house.nodes[0].deploy(WORKFLOW.format(name=name, limit=limit))
        worker = Counter(house.broker_url, seconds)
        self.addCleanup(worker.close)
        house.await_shared_out(house.nodes, timeout=60)
        return house, worker

    def start(self, node, name, number):
        # The key makes a start that is asked for again the same one.
        return node.http_json(node.http, "/api/runs", {"workflow": name, "key": f"{name}-{number}"}, timeout=30)["run"]

    def test_no_more_than_the_limit_are_out_while_servers_are_killed(self):
        house, worker = self.make("max_concurrent = 5", 0.15)
        a, b, c = house.nodes
        runs = [self.start(node, name, f"{node.http}-{number}") for number in range(6) for node in house.nodes for name in ("one", "two")]
        baton.wait_for(lambda: len(worker.done) > 20, "tasks are worked on", 60)
        self.assertEqual(worker.most, 5)
        b.kill()
        done = len(worker.done)
        baton.wait_for(lambda: len(worker.done) > done + 20, "they go on without the one that was killed", 60)
        house.await_shared_out([a, c], timeout=60)
        d = house.add()
        house.await_shared_out([a, c, d], a, timeout=60)
        c.kill()
        baton.wait_for(lambda: len(worker.done) == 4 * len(runs), "all are done", 120)
        self.assertEqual(worker.most, 5, "as many as the limit says, and no more")
        for run in runs:
            baton.wait_for(lambda run=run: a.http_json(a.http, f"/api/runs/{run}")["status"] == "completed", "every run ends", 30)

    def test_a_rate_is_that_of_all_servers_together(self):
        house, worker = self.make('rate = "20/s"', 0.0, ["one"])
        runs = [self.start(node, "one", f"{node.http}-{number}") for number in range(8) for node in house.nodes]
        baton.wait_for(lambda: len(worker.done) == 4 * len(runs), "all are done", 60)
        took = worker.times[-1] - worker.times[0]
        self.assertGreater(took, (len(worker.times) - 1) / 20 * 0.95)
        # Nor in any second by itself; what the network and the worker add goes to its account.
        for first, at in enumerate(worker.times):
            within = sum(1 for other in worker.times[first:] if other - at < 1.0)
            self.assertLessEqual(within, 26)


if __name__ == "__main__":
    unittest.main()
