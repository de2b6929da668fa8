"""Clients that are broken, slow or mean: each is refused or bounded, and the others do not notice."""
import base64
import json
import struct
import time
import unittest
import urllib.error
import urllib.request

import pika

import baton
import raw


class HostileTest(baton.ServerTest):
    def client(self, **arguments):
        client = raw.Client(self.server.amqp, **arguments)
        self.addCleanup(client.close)
        return client

    def still_works(self):
        client = self.client().log_in().open_channel().declare("alive").consume("alive")
        client.send(raw.publish(1, "alive", b"hello"))
        client.read_method(60, 60)
        client.close()
        self.assertIsNone(self.server.process.poll())

    def test_who_does_not_finish_the_handshake_is_let_go(self):
        login = b"\x00guest\x00guest"
        start_ok = raw.method(0, 10, 11, struct.pack(">I", 0) + raw.short("PLAIN") + struct.pack(">I", len(login)) + login +
                              raw.short("en_US"))
        silent, half_a_header, no_login, no_tune, huge = (self.client(limit=20) for _ in range(5))
        began = time.monotonic()
        half_a_header.send(b"AMQP")
        no_login.begin()
        no_tune.begin()
        no_tune.send(start_ok)
        # The rest of a frame that never comes.
        huge.begin()
        huge.send(struct.pack(">BHI", 1, 0, 100_000) + b"x" * 10)
        # A byte every half second, as slow as one may be.
        drip = self.client(limit=20)
        data = iter(raw.HEADER + start_ok)
        while time.monotonic() - began < 25:
            try:
                drip.send(bytes([next(data)]))
            except ConnectionError:
                break
            time.sleep(0.5)
        self.assertLess(time.monotonic() - began, 24)
        for client in (silent, half_a_header, no_login, no_tune, huge):
            self.assertTrue(client.ended())
        self.assertLess(time.monotonic() - began, 30)
        self.still_works()

    def test_the_first_heartbeat_comes_after_half_an_interval(self):
        client = self.client().log_in(heartbeat=4)
        began = time.monotonic()
        self.assertEqual(client.read_frame()[0], 8)
        self.assertLess(time.monotonic() - began, 3)

    def test_the_first_write_of_who_was_cut_for_silence_fails(self):
        said = self.server.log().count("no heartbeat from the client") # by other tests
        client = self.client().log_in(heartbeat=1).open_channel().declare("silence")
        baton.wait_for(lambda: self.server.log().count("no heartbeat from the client") > said, "the silence is noticed", 20)
        time.sleep(0.2)
        with self.assertRaises(ConnectionError):
            client.socket.sendall(raw.publish(1, "silence", b"lost"))

    def test_a_body_frame_of_frame_max_bytes_without_its_surroundings_is_taken(self):
        client = self.client().log_in(frame_max=4096).open_channel().declare("fudge").consume("fudge")
        body = b"x" * 4096
        header = struct.pack(">HHQH", 60, 0, len(body), 0)
        client.send(raw.method(1, 60, 40, b"\x00\x00" + raw.short("") + raw.short("fudge") + b"\x00") +
                    struct.pack(">BHI", 2, 1, len(header)) + header + b"\xce" +
                    struct.pack(">BHI", 3, 1, len(body)) + body + b"\xce")
        client.read_method(60, 60)
        self.still_works()

    def test_a_silent_client_is_let_go_after_two_heartbeats_and_its_queue_with_it(self):
        client = self.client().log_in(heartbeat=1).open_channel()
        # Exclusive: dies with its connection.
        client.send(raw.method(1, 50, 10, b"\x00\x00" + raw.short("mine") + b"\x04" + struct.pack(">I", 0)))
        client.read_method(50, 11)
        began = time.monotonic()
        self.assertTrue(client.ended())
        self.assertLess(time.monotonic() - began, 15)
        other = self.client().log_in().open_channel()
        other.send(raw.method(1, 50, 10, b"\x00\x00" + raw.short("mine") + b"\x01" + struct.pack(">I", 0)))
        code = struct.unpack(">H", other.read_method(20, 40)[:2])[0]
        self.assertEqual(code, 404)

    def test_clients_that_send_a_byte_at_a_time_do_not_hold_up_the_others(self):
        drips = [self.client().log_in().open_channel().declare("slow") for _ in range(50)]
        message = raw.publish(1, "slow", b"drop by drop")
        quick = self.client().log_in().open_channel().declare("quick").consume("quick")
        slowest = 0.0
        for byte in message:
            for drip in drips:
                drip.send(bytes([byte]))
            began = time.monotonic()
            quick.send(raw.publish(1, "quick", b"x"))
            quick.read_method(60, 60)
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 3.0)
        for drip in drips:
            drip.consume("slow")
        # Together they get all fifty messages.
        for drip in drips:
            drip.send(raw.method(1, 20, 40, struct.pack(">H", 200) + raw.short("bye") + b"\x00\x00\x00\x00"))
        got = 0
        for drip in drips:
            while True:
                kind, _, payload = drip.read_frame()
                if kind == 1 and payload[:4] == struct.pack(">HH", 60, 60):
                    got += 1
                if kind == 1 and payload[:4] == struct.pack(">HH", 20, 41):
                    break
        self.assertEqual(got, 50)

    def test_a_frame_larger_than_agreed_ends_the_connection(self):
        client = self.client().log_in(frame_max=4096).open_channel()
        client.send(raw.frame(3, 1, b"x" * 5000))
        self.assertEqual(client.close_reason()[0], 501)
        announced = self.client().log_in().open_channel()
        announced.send(struct.pack(">BHI", 3, 1, 0xFFFFFFFF))
        self.assertEqual(announced.close_reason()[0], 501)
        self.still_works()

    def test_channels_are_counted_whatever_their_numbers_and_one_too_many_ends_the_connection(self):
        client = self.client().log_in(channel_max=3)
        for number in (65535, 1, 2047):
            client.open_channel(number)
        client.send(raw.method(2, 20, 10, b"\x00"))
        self.assertIn(client.close_reason()[0], (504, 530))
        self.still_works()

    def test_tables_nested_a_thousand_deep_are_refused_everywhere(self):
        table = b""
        for _ in range(1000):
            table = b"\x01aF" + struct.pack(">I", len(table)) + table
        table = struct.pack(">I", len(table)) + table
        before_login = self.client()
        before_login.begin()
        before_login.send(raw.method(0, 10, 11, table + raw.short("PLAIN") + struct.pack(">I", 0) + raw.short("en_US")))
        self.assertIn(before_login.close_reason()[0], (501, 502))
        declares = self.client().log_in().open_channel()
        declares.send(raw.method(1, 50, 10, b"\x00\x00" + raw.short("q") + b"\x00" + table))
        self.assertIn(declares.close_reason()[0], (501, 502))
        self.still_works()

    def test_a_client_that_asks_much_and_reads_nothing_is_not_read_any_more(self):
        greedy = self.client(limit=2, receive_buffer=4096).log_in().open_channel()
        # Each wants an answer; none is read.
        wish = raw.method(1, 50, 10, b"\x00\x00" + raw.short("q" * 200) + b"\x00" + struct.pack(">I", 0)) * 200
        sent = 0
        with self.assertRaises(TimeoutError):
            while sent < 400_000_000:
                greedy.send(wish)
                sent += len(wish)
        self.still_works()



class GuessingTest(baton.ServerTest):
    """Passwords guessed on either port: after five failures even the right one has to wait."""
    env = {"BATON_BROKER_USERS": "guest:guest,ada[administrator]:lovelace"}

    def login_amqp(self, password):
        try:
            pika.BlockingConnection(pika.ConnectionParameters(
                "127.0.0.1", self.server.amqp, credentials=pika.PlainCredentials("ada", password))).close()
            return True
        except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.AMQPConnectionError):
            return False

    def login_http(self, password):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}/api/whoami")
        request.add_header("Authorization", "Basic " + base64.b64encode(f"ada:{password}".encode()).decode())
        try:
            return urllib.request.urlopen(request, timeout=10).status == 200
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())["reason"]
            if error.code == 429:
                self.assertRegex(said, "guessing is slowed down, and none is looked at for [0-9]+ s")
                self.assertGreater(int(error.headers["Retry-After"]), 0)
            else:
                self.assertEqual((error.code, said), (401, "user or password is wrong"))
            self.last_status = error.code
            return False

    def test_guessing_is_slowed_on_both_ports(self):
        self.assertTrue(self.login_http("lovelace"))
        for i in range(5):
            self.assertFalse((self.login_amqp if i % 2 else self.login_http)(f"guess {i}"))
        self.assertFalse(self.login_http("lovelace"), "the pause holds for the right password, too")
        self.assertEqual(self.last_status, 429, "and says that the password may be right")
        with self.assertRaisesRegex(pika.exceptions.AMQPConnectionError, "none is looked at for up to a minute"):
            pika.BlockingConnection(pika.ConnectionParameters(
                "127.0.0.1", self.server.amqp, credentials=pika.PlainCredentials("ada", "lovelace")))
        baton.wait_for(lambda: self.login_amqp("lovelace"), "the pause ends", 10, pause=0.3)
        self.assertTrue(self.login_http("lovelace"))
        self.assertIn("a log-in was refused", self.server.log())


if __name__ == "__main__":
    unittest.main()
