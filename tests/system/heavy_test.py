"""Many clients, and few who hold on to much: memory and descriptors stay bounded and come back. Runs
with the optimised executable, whose memory means something."""
import os
import resource
import subprocess
import time
import unittest

import baton
import memory_trial
import raw


def limited(server, descriptors):
    """Starts `server` with so many descriptors."""
    with open(server.log_path, "ab") as log:
        server.process = subprocess.Popen(
            [baton.EXE, "serve"], env=server.env, cwd=server.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
    server.await_ready()
    return server


@unittest.skipUnless(os.path.exists(baton.EXE), "the release build is not there")
class HeavyTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server()
        self.addCleanup(self.server.close)

    def client(self, **arguments):
        client = raw.Client(self.server.amqp, **arguments)
        self.addCleanup(client.close)
        return client

    def memory(self):
        return raw.memory_kib(self.server.process.pid)

    def test_five_thousand_connections_with_a_channel_each(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(5000, hard - 300)
        self.server.start()
        warm = [self.client().log_in().open_channel() for _ in range(50)]
        for client in warm:
            client.close()
        descriptors, before = raw.descriptors(self.server.process.pid), self.memory()

        clients = [self.client().log_in(heartbeat=60).open_channel() for _ in range(count)]
        each = (self.memory() - before) / count
        print(f"{count} idle connections with a channel: {each:.1f} KiB each")
        self.assertLessEqual(each, 12)

        for number, client in enumerate(clients):
            client.declare(f"q{number % 50}").consume(f"q{number % 50}")
        for number, client in enumerate(clients):
            client.send(raw.publish(1, f"q{number % 50}", b"x" * 100))
        # Each queue has count/50 consumers in turn and as many messages: one for everybody.
        for client in clients:
            client.read_method(60, 60)
        busy = self.memory()
        for client in clients:
            client.close()
        baton.wait_for(lambda: raw.descriptors(self.server.process.pid) <= descriptors + 5, "the connections are gone")
        # The next ones live where these lived.
        for _ in range(count):
            self.client().log_in(heartbeat=60).open_channel()
        self.assertLess(self.memory(), busy + 2048)

    def test_two_thousand_connections_one_after_the_other_leave_nothing_behind(self):
        self.server.start()

        def churn(count):
            for _ in range(count):
                client = raw.Client(self.server.amqp).log_in().open_channel()
                client.send(raw.method(0, 10, 50, b"\x00\xc8" + raw.short("bye") + b"\x00\x00\x00\x00"))
                client.read_method(10, 51)
                client.close()
        churn(500)
        descriptors, before = raw.descriptors(self.server.process.pid), self.memory()
        churn(2000)
        baton.wait_for(lambda: raw.descriptors(self.server.process.pid) <= descriptors + 2, "the descriptors are back")
        self.assertLess(self.memory() - before, 1024)

    def test_a_consumer_that_does_not_read_costs_only_its_window(self):
        self.server.start()
        publisher = self.client(limit=60).log_in().open_channel().declare("deep")
        publisher.send(raw.method(1, 85, 10, b"\x00"))
        publisher.read_method(85, 11)
        message, count = raw.publish(1, "deep", b"x" * 1000), 40_000
        before = self.memory()
        sleepers = [self.client(receive_buffer=4096).log_in().open_channel().consume("deep") for _ in range(5)]

        def publish(what):
            """The time until the last one is confirmed."""
            began = time.monotonic()
            for _ in range(count // 100):
                publisher.send(what * 100)
            confirmed = 0
            while confirmed < count:
                arguments = publisher.read_method(60, 80)
                confirmed = int.from_bytes(arguments[:8], "big") - publish.confirmed
            publish.confirmed += count
            return time.monotonic() - began
        publish.confirmed = 0
        self.assertLess(publish(message), 30)
        self.assertLess(self.memory() - before, 3 * count)  # KiB: the messages themselves and as much again

        # Who reads gets everything but what the sleepers were sent already: a megabyte each, and what
        # the kernel takes for them.
        reader = self.client(limit=60).log_in().open_channel().consume("deep")
        got, size = 0, len(raw.frame(3, 1, b"x" * 1000))
        reader.socket.settimeout(3)
        try:
            while got < count * size:
                got += len(reader.socket.recv(1 << 20))
        except TimeoutError:
            pass
        self.assertGreater(got, count * size * 0.3)
        # The publisher goes on, and so does the reader.
        publish(raw.publish(1, "", b"dropped"))

    def test_when_descriptors_run_out_clients_wait_and_the_journal_goes_on(self):
        limited(self.server, 300)
        clients = [self.client(limit=1)]
        clients[0].log_in().open_channel()
        clients[0].send(raw.method(1, 85, 10, b"\x00"))
        clients[0].read_method(85, 11)
        clients[0].send(raw.method(1, 50, 10, b"\x00\x00" + raw.short("kept") + b"\x02" + b"\x00" * 4))
        clients[0].read_method(50, 11)
        refused = None
        while refused is None and len(clients) < 400:
            client = self.client(limit=1)
            try:
                clients.append(client.log_in())
            except TimeoutError:
                refused = client
        self.assertIsNotNone(refused, "there is no limit")
        self.assertGreater(len(clients), 100)
        self.assertEqual(self.server.log().count("no descriptor is left for another connection"), 1)

        # A persistent message is still taken and confirmed.
        for _ in range(100):
            clients[0].send(raw.publish(1, "kept", b"x" * 50_000, b"\x10\x00\x02"))
        clients[0].read_method(60, 80)
        # One leaves, and the one that waits is served.
        clients[-1].close()
        refused.socket.settimeout(10)
        refused.read_method(10, 10)
        baton.wait_for(lambda: "connections are accepted again" in self.server.log(), "the log says so")


@unittest.skipUnless(os.path.exists(baton.EXE), "the release build is not there")
@unittest.skipIf(memory_trial.what_keeps_groups_away(), memory_trial.what_keeps_groups_away())
class LittleMemoryTest(unittest.TestCase):
    """The kernel ends whoever uses more. `scripts/campaign memory` tries more, and more kinds."""

    def test_what_clients_hold_does_not_end_a_server_of_half_a_gibibyte(self):
        kinds = memory_trial.Trial
        trial = memory_trial.Trial(memory_trial.Group(512), scale=0.5)
        self.assertEqual(trial.run([kinds.waiting_runs, kinds.http_bodies_of_a_user, kinds.large_answers, kinds.amqp_bodies,
                                    kinds.open_transactions]), [])


if __name__ == "__main__":
    unittest.main()
