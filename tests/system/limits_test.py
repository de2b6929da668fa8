"""A server with little: few open files, little memory, and clients who take all of it. It goes on, it
answers both ports, and its log says why somebody waits."""
import resource
import struct
import subprocess
import time
import unittest

import baton
import raw


def start_with_descriptors(server, descriptors):
    with open(server.log_path, "ab") as log:
        server.process = subprocess.Popen(
            [baton.EXE, "serve"], env=server.env, cwd=server.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
    server.await_ready()
    return server


def seconds_of_cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Limits(unittest.TestCase):
    def server(self, **env):
        server = baton.Server(env=env)
        self.addCleanup(self.no_reports, server)
        return server

    def no_reports(self, server):
        log = server.log()
        server.close()
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            self.assertNotIn(word, log, log[-8000:])

    def client(self, server, **arguments):
        client = raw.Client(server.amqp, **arguments)
        self.addCleanup(client.close)
        return client

    def still_works(self, server):
        client = self.client(server).log_in().open_channel().declare("alive").consume("alive")
        client.send(raw.publish(1, "alive", b"hello"))
        client.read_method(60, 60)
        client.close()


class DescriptorsTest(Limits):
    def test_neither_port_keeps_the_other_out_and_the_journal_gets_its_segments(self):
        for descriptors in (64, 128, 256, 1024):
            with self.subTest(descriptors=descriptors):
                server = start_with_descriptors(self.server(), descriptors)
                worker = self.client(server).log_in().open_channel().declare("work", durable=True)
                # More than there can be, on each port; nobody says a word.
                idle = []
                for port in (server.amqp, server.http):
                    for _ in range(descriptors + 50):
                        idle.append(raw.socket.create_connection(("127.0.0.1", port), 5))
                time.sleep(1.5)
                before, began = seconds_of_cpu(server.process.pid), time.monotonic()
                # The journal needs segments of 1, 4 and 16 MiB for these.
                body = b"x" * 100_000
                worker.send(raw.method(1, 85, 10, b"\x00"))
                worker.read_method(85, 11)
                for _ in range(10):
                    worker.send(raw.publish(1, "work", body, b"\x10\x00\x02") * 20)
                acked = 0
                while acked < 200:
                    acked = struct.unpack(">Q", worker.read_method(60, 80)[:8])[0]
                self.assertEqual(server.http_json(server.http, "/api/health")["status"], "ok")
                time.sleep(2)
                spent = seconds_of_cpu(server.process.pid) - before
                self.assertLess(spent, 0.9 * (time.monotonic() - began) + 3, "it spins")
                self.assertIsNone(server.process.poll())
                waits = server.log().count("no descriptor is left") + server.log().count("cannot accept a connection")
                self.assertLessEqual(waits, 4, server.log()[-3000:])
                for one in idle:
                    one.close()
                baton.wait_for(lambda: self.comes_in(server), "there is room again", 30)
                server.stop()

    def comes_in(self, server):
        try:
            self.still_works(server)
            return True
        except OSError:
            return False


class MemoryTest(Limits):
    """With a watermark of 32 MiB; what would end the server without it is several times that."""

    def start(self):
        return self.server(BATON_BROKER_MEMORY_HIGH_MIB="32").start()

    def test_unfinished_bodies_make_publishers_wait_and_too_many_end_who_holds_most(self):
        server = self.start()
        sentinel = self.client(server).log_in().open_channel().declare("q").consume("q", no_ack=False)
        sentinel.send(raw.publish(1, "q", b"before"))
        sentinel.read_method(60, 60)
        publish = raw.method(1, 60, 40, b"\x00\x00" + raw.short("") + raw.short("nowhere") + b"\x00")
        publish += raw.frame(2, 1, struct.pack(">HHQ", 60, 0, 100_000_000) + b"\x00\x00")
        clients = [self.client(server, limit=5).log_in().open_channel() for _ in range(20)]
        for client in clients:
            client.send(publish)
        # All have begun, so none has to wait; together they want 80 MB.
        piece = raw.frame(3, 1, b"x" * 100_000)
        for client in clients:
            try:
                for _ in range(40):
                    client.send(piece)
            except (ConnectionError, TimeoutError):
                pass
        baton.wait_for(lambda: "publishers wait, consumers go on" in server.log(), "the log says why", 20)
        baton.wait_for(lambda: "a connection of who holds most of it is ended" in server.log(), "and who pays", 20)
        # Who only acknowledges and asks goes on.
        sentinel.send(raw.method(1, 60, 80, struct.pack(">QB", 1, 0)))
        sentinel.declare("another")
        self.assertIsNone(server.process.poll())
        for client in clients:
            client.close()
        baton.wait_for(lambda: "publishers go on" in server.log(), "the shortage is over", 20)
        self.still_works(server)

    def test_an_open_transaction_is_refused_above_its_share(self):
        server = self.start()
        client = self.client(server).log_in().open_channel().declare("q")
        client.send(raw.method(1, 90, 10))
        client.read_method(90, 11)
        message = raw.publish(1, "q", b"x" * 100_000)
        try:
            for _ in range(400):
                client.send(message)
        except (ConnectionError, TimeoutError):
            pass
        self.assertEqual(struct.unpack(">H", client.read_method(20, 40)[:2])[0], 406)
        self.still_works(server)

    def test_queues_are_refused_above_their_share_and_nobody_is_kept_out(self):
        server = self.start()
        client = self.client(server, limit=60).log_in().open_channel()
        declare = b"".join(raw.method(1, 50, 10, b"\x00\x00" + raw.short(f"a queue of many {at:06}") + b"\x10" +
                                      struct.pack(">I", 0)) for at in range(40_000))
        client.send(declare)
        code = client.read_method(20, 40)
        self.assertEqual(struct.unpack(">H", code[:2])[0], 406)
        self.assertIn(b"no memory for a queue", code)
        self.still_works_with(server, "a queue of many 000001")
        self.assertIsNone(server.process.poll())

    def still_works_with(self, server, queue):
        client = self.client(server).log_in().open_channel().consume(queue)
        client.send(raw.publish(1, queue, b"hello"))
        client.read_method(60, 60)


if __name__ == "__main__":
    unittest.main()
