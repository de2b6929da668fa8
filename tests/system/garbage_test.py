"""Garbage on every port and in every file: a clear refusal each, no crash, and work goes on."""
import base64
import http.client
import os
import random
import socket
import struct
import unittest

import pika

import baton

HEADER = b"AMQP\x00\x00\x09\x01"


def frame(kind, channel, payload, end=b"\xce"):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


class PortTest(baton.ServerTest):
    def send(self, port, data, read=True):
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.settimeout(15)
            answer = b""
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while read:
                    chunk = s.recv(65536)
                    if not chunk:
                        break
                    answer += chunk
            except OSError:
                pass
            return answer

    def still_works(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, "alive")
        self.assertEqual(channel.basic_get(queue, auto_ack=True)[2], b"alive")
        connection.close()
        self.assertEqual(self.server.http_json(self.server.http, "/api/health")["status"], "ok")
        self.assertIsNone(self.server.process.poll())

    def test_a_wrong_protocol_header_is_answered_with_ours(self):
        for header in (b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            self.assertEqual(self.send(self.server.amqp, header + b"\x00" * 8)[:8], HEADER, header)
        self.still_works()

    def test_head_and_options_on_one_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=20)
        login = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}

        def ask(method, path, headers=login):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()

        for path, status in (("/api/health", 200), ("/api/queues", 200), ("/api/runs", 200), ("/api/nothing", 404)):
            shown, body = ask("GET", path)
            head, nothing = ask("HEAD", path)
            self.assertEqual((head.status, nothing), (status, b""), path)
            if path != "/api/queues":  # whose counters move
                self.assertEqual(head.getheader("Content-Length"), str(len(body)), path)
        self.assertEqual(ask("HEAD", "/api/queues", {})[0].status, 401)
        answer, body = ask("OPTIONS", "/api/queues/%2F/q", {})
        self.assertEqual((answer.status, answer.getheader("Allow"), body), (200, "GET, HEAD, PUT, DELETE, OPTIONS", b""))
        self.assertEqual(ask("OPTIONS", "/api/nothing", {})[0].status, 404)
        refused, _ = ask("DELETE", "/api/queues")
        self.assertEqual((refused.status, refused.getheader("Allow")), (405, "GET, HEAD, OPTIONS"))
        self.assertEqual(ask("GET", "/api/health")[0].status, 200)
        connection.close()

    def test_random_bytes_on_both_ports(self):
        source = random.Random(7)
        for i in range(150):
            data = source.randbytes(source.randrange(1, 2000))
            self.send(self.server.amqp, (HEADER if i % 2 else b"") + data)
            self.send(self.server.http, data)
        self.still_works()

    def test_frames_that_make_no_sense(self):
        for broken in (frame(1, 0, b"\x00\x0a\x00\x0b" + b"\xff" * 50), frame(1, 0, b""), frame(9, 0, b"x"),
                       frame(1, 0, b"\x00\x0a\x00\x0b", b"\x00"), frame(2, 1, b"\x00\x3c\x00\x00" + b"\xff" * 20),
                       struct.pack(">BHI", 1, 0, 0xFFFFFFFF), frame(3, 5, b"body without a header"), frame(8, 3, b"")):
            self.send(self.server.amqp, HEADER + broken)
        self.still_works()

    def test_garbage_after_a_good_login(self):
        source = random.Random(11)
        for _ in range(40):
            s = self.logged_in()
            s.sendall(frame(1, 1, b"\x00\x14\x00\x0a\x00"))
            for _ in range(5):
                payload = struct.pack(">HH", source.choice([10, 20, 40, 50, 60, 85, 90]), source.randrange(0, 120))
                s.sendall(frame(source.choice([1, 1, 1, 2, 3]), source.randrange(0, 3), payload + source.randbytes(source.randrange(0, 60))))
            s.close()
        self.still_works()

    def test_a_header_table_nested_a_thousand_deep(self):
        s = self.logged_in()
        s.sendall(frame(1, 1, b"\x00\x14\x00\x0a\x00"))
        table = b""
        for _ in range(1000):
            table = b"\x01aF" + struct.pack(">I", len(table)) + table
        s.sendall(frame(1, 1, struct.pack(">HHH", 60, 40, 0) + b"\x00\x01q\x00"))
        header = struct.pack(">HHQH", 60, 0, 0, 0x2000) + struct.pack(">I", len(table)) + table
        s.sendall(frame(2, 1, header))
        s.close()
        self.still_works()

    def test_a_body_of_two_gibibytes_is_refused_when_announced(self):
        s = self.logged_in()
        s.sendall(frame(1, 1, b"\x00\x14\x00\x0a\x00"))
        s.sendall(frame(1, 1, struct.pack(">HHH", 60, 40, 0) + b"\x00\x01q\x00"))
        s.sendall(frame(2, 1, struct.pack(">HHQH", 60, 0, 2 << 30, 0)))
        s.settimeout(10)
        answer = b""
        while b"message size" not in answer:
            chunk = s.recv(65536)
            self.assertTrue(chunk, f"no refusal: {answer!r}")
            answer += chunk
        s.close()
        self.still_works()

    def logged_in(self):
        s = socket.create_connection(("127.0.0.1", self.server.amqp), 10)
        s.settimeout(10)
        s.sendall(HEADER)
        self.read_frame(s)
        response = b"\x00guest\x00guest"
        s.sendall(frame(1, 0, b"\x00\x0a\x00\x0b" + struct.pack(">I", 0) + b"\x05PLAIN" +
                        struct.pack(">I", len(response)) + response + b"\x05en_US"))
        self.read_frame(s)
        s.sendall(frame(1, 0, b"\x00\x0a\x00\x1f" + struct.pack(">HIH", 100, 131072, 0)))
        s.sendall(frame(1, 0, b"\x00\x0a\x00\x28\x01/\x00\x00"))
        self.read_frame(s)
        return s

    def read_frame(self, s):
        def exactly(count):
            data = b""
            while len(data) < count:
                chunk = s.recv(count - len(data))
                self.assertTrue(chunk, "the connection ended")
                data += chunk
            return data
        kind, channel, size = struct.unpack(">BHI", exactly(7))
        return exactly(size + 1)


class FileTest(unittest.TestCase):
    def start_with(self, prepare, environment=None):
        server = baton.Server(env=environment or {})
        self.addCleanup(server.close)
        prepare(server)
        try:
            server.start(20)
        except AssertionError as error:
            return server, str(error)
        return server, None

    def test_garbage_in_baton_toml(self):
        def prepare(server):
            (server.home / "baton.toml").write_bytes(b"\x00\xff[broker\nlisten = \n")
        server, error = self.start_with(prepare)
        self.assertIn("baton.toml:1:", error)
        self.assertEqual(server.process.returncode, 2)

    def test_every_mistake_in_baton_toml_is_named(self):
        def prepare(server):
            (server.home / "baton.toml").write_text("datta = 'x'\n[http]\nlisten = 5\n")
        server, error = self.start_with(prepare)
        self.assertIn("baton.toml:1:", error)
        self.assertIn("'http.listen' must be host:port", error)
        self.assertEqual(server.process.returncode, 2)

    def journal_files(self, server):
        found = [p for p in (server.home / "data").rglob("*") if p.is_file() and "journal" in str(p) and p.stat().st_size > 100]
        self.assertTrue(found, "the server made a journal")
        return sorted(found)

    def publish(self, server, count):
        connection = pika.BlockingConnection(pika.URLParameters(server.env["BATON_AMQP"]))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True)
        for i in range(count):
            channel.basic_publish("", "kept", f"{i}", pika.BasicProperties(delivery_mode=2))
        connection.close()

    def count(self, server):
        connection = pika.BlockingConnection(pika.URLParameters(server.env["BATON_AMQP"]))
        count = connection.channel().queue_declare("kept", passive=True).method.message_count
        connection.close()
        return count

    def test_garbage_in_the_journal_is_refused_with_its_place(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        self.publish(server, 200)
        server.kill()
        # The oldest record of all is overwritten, with good ones behind it.
        oldest = self.journal_files(server)[0]
        with open(oldest, "r+b") as f:
            f.seek(0)
            f.write(os.urandom(300))
        with self.assertRaises(AssertionError) as refused:
            server.start(20)
        self.assertIn(oldest.name, str(refused.exception))
        self.assertNotIn("AddressSanitizer", str(refused.exception))

    def test_a_torn_tail_is_cut_and_everything_confirmed_is_there(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        self.publish(server, 50)
        server.kill()
        newest = self.journal_files(server)[-1]
        data = newest.read_bytes()
        end = len(data.rstrip(b"\x00"))
        with open(newest, "r+b") as f:
            f.seek(end)
            f.write(b"\x40\x00\x00\x00torn")
        server.start(20)
        self.assertEqual(self.count(server), 50)

    def test_garbage_in_the_database_is_refused(self):
        def prepare(server):
            (server.home / "data").mkdir()
            (server.home / "not-a-database").write_bytes(os.urandom(5000))
            server.env["BATON_DB_URL"] = f"sqlite:{server.home}/not-a-database"
        server, error = self.start_with(prepare)
        self.assertIn("not-a-database", error)
        self.assertNotEqual(server.process.returncode, 0)

    def test_a_second_server_on_the_same_folder_is_refused(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        second, error = self.start_with(lambda s: s.env.update(BATON_DATA=server.env["BATON_DATA"]))
        self.assertIn("data", error)
        self.assertNotEqual(second.process.returncode, 0)
        self.assertIsNone(server.process.poll())


if __name__ == "__main__":
    unittest.main()
