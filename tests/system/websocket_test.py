"""AMQP over WebSocket: a browser's client under Node, and what must be refused."""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.request

import pika

import baton
import certificates

NODE = pathlib.Path(__file__).resolve().parent / "node"


@unittest.skipUnless(shutil.which("node") and (NODE / "node_modules" / "ws").exists(), "Node.js or its packages are not there")
class WebSocketTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-ws-"))
        authority = certificates.Authority(cls.folder, "ours")
        cls.ca = authority.certificate
        certificate, key = authority.sign("server")
        cls.server = baton.Server()
        cls.ws, cls.wss, amqps = baton.free_ports(3)
        cls.server.env.update({
            "BATON_BROKER_WEBSOCKET_LISTEN": f"127.0.0.1:{cls.ws}",
            "BATON_BROKER_WEBSOCKET_TLS_LISTEN": f"127.0.0.1:{cls.wss}",
            "BATON_BROKER_WEBSOCKET_ORIGINS": "https://shop.example",
            "BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{amqps}",
            "BATON_BROKER_TLS_CERTIFICATE": certificate,
            "BATON_BROKER_TLS_KEY": key,
            "BATON_WS": f"ws://127.0.0.1:{cls.ws}/ws",
        })
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        log = cls.server.log()
        cls.server.close()
        shutil.rmtree(cls.folder)
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            if word in log:
                raise AssertionError("the server's log holds a sanitizer report:\n" + log[-8000:])

    def run_node(self, name, **env):
        done = subprocess.run(["node", "websocket_test.mjs", name], cwd=NODE, env={**self.server.env, **env}, text=True,
                              capture_output=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def start_node(self, name):
        process = subprocess.Popen(["node", "websocket_test.mjs", name], cwd=NODE, env=self.server.env, text=True,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def ask(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"yet:asdfasdf").decode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def test_publish_confirm_consume(self):
        self.run_node("publish_confirm_consume")

    def test_rpc(self):
        self.run_node("rpc")

    def test_five_megabytes(self):
        self.run_node("five_megabytes")

    def test_a_thousand_small_ones(self):
        self.run_node("a_thousand_small_ones")

    def test_reconnects(self):
        self.run_node("reconnects")

    def test_heartbeats_keep_it_open(self):
        self.run_node("heartbeats_keep_it_open")

    def test_wrong_password(self):
        self.run_node("wrong_password")

    def test_origins(self):
        self.run_node("origins")

    def test_protocols_and_paths(self):
        self.run_node("protocols_and_paths")

    def test_rules_of_frames(self):
        self.run_node("rules_of_frames")

    def test_pings_are_answered(self):
        self.run_node("pings_are_answered")

    def test_messages_may_be_cut_anywhere(self):
        self.run_node("messages_may_be_cut_anywhere")

    def test_a_peer_that_stops_reading(self):
        self.run_node("stops_reading")

    def test_half_an_opening_is_sent_away(self):
        self.run_node("half_an_opening")

    def test_inside_tls(self):
        env = {"BATON_WS": f"wss://localhost:{self.wss}/ws/amqp", "NODE_EXTRA_CA_CERTS": str(self.ca)}
        for name in ("publish_confirm_consume", "five_megabytes", "a_thousand_small_ones", "pings_are_answered", "rules_of_frames",
                     "stops_reading"):
            with self.subTest(name):
                self.run_node(name, **env)

    def test_the_same_queues_as_over_tcp(self):
        parameters = pika.ConnectionParameters("127.0.0.1", self.server.amqp, credentials=pika.PlainCredentials("guest", "guest"))
        connection = pika.BlockingConnection(parameters)
        self.addCleanup(connection.close)
        self.start_node("stays")
        # An exclusive queue of somebody else is there and locked.
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            connection.channel().queue_declare("ws.stays", passive=True)
        self.assertEqual(refused.exception.reply_code, 405)

    def test_a_client_that_is_killed_is_noticed(self):
        process = self.start_node("stays")

        def queue():
            return [one for one in self.ask("/api/queues/%2F") if one["name"] == "ws.stays"]
        baton.wait_for(queue, "the queue is there")
        [shown] = [one for one in self.ask("/api/connections") if one["port"] == self.ws]
        self.assertEqual(shown["protocol"], "Web AMQP 0-9-1")
        self.assertFalse(shown["ssl"])
        process.kill()
        baton.wait_for(lambda: not queue(), "the exclusive queue goes with its client", 10)
        baton.wait_for(lambda: not [one for one in self.ask("/api/connections") if one["port"] == self.ws],
                       "the connection goes", 10)

    def test_listeners_are_named(self):
        listeners = {(one["protocol"], one["port"]) for one in self.ask("/api/overview")["listeners"]}
        self.assertLessEqual({("http/web-amqp", self.ws), ("https/web-amqp", self.wss), ("amqp", self.server.amqp)}, listeners)
        with open(self.server.home / "data" / "endpoints.json") as file:
            endpoints = json.load(file)
        self.assertEqual(endpoints["ws"], [f"127.0.0.1:{self.ws}"])
        self.assertEqual(endpoints["wss"], [f"127.0.0.1:{self.wss}"])

    def test_other_protocols_are_told_at_once(self):
        for said in (b"AMQP\x00\x00\x09\x01", b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.ws), 10) as one:
                one.settimeout(5)
                one.sendall(said)
                answer = b""
                while piece := one.recv(4096):
                    answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)

    # Control frames that are never data, faster than anybody answers, from one that reads nothing.
    def test_a_flood_of_pings_holds_nothing_up(self):
        one = socket.create_connection(("127.0.0.1", self.ws), 10)
        self.addCleanup(one.close)
        key = base64.b64encode(os.urandom(16)).decode()
        one.sendall(f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n".encode())
        self.assertTrue(one.recv(4096).startswith(b"HTTP/1.1 101 "))
        one.settimeout(1)
        flood = (b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125) * 500
        try:
            for _ in range(200):
                one.sendall(flood)
        except OSError:
            pass  # full, or sent away because nobody has logged in
        self.run_node("publish_confirm_consume")


class WebSocketConfigurationTest(unittest.TestCase):
    def complaints(self, **env):
        server = baton.Server(env=env)
        self.addCleanup(server.close)
        done = subprocess.run([baton.EXE, "serve"], env=server.env, cwd=server.home, text=True, capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr

    def test_mistakes_are_told(self):
        self.assertIn("BATON_BROKER_WEBSOCKET_LISTEN must be host:port", self.complaints(BATON_BROKER_WEBSOCKET_LISTEN="nonsense"))
        self.assertIn("BATON_BROKER_WEBSOCKET_ORIGINS must be origins as browsers write them", self.complaints(BATON_BROKER_WEBSOCKET_ORIGINS="shop.example"))
        self.assertIn("broker.tls.certificate", self.complaints(BATON_BROKER_WEBSOCKET_TLS_LISTEN="127.0.0.1:1"))


if __name__ == "__main__":
    unittest.main()
