"""MQTT with clients as people have them: paho (3.1.1 and 5), mosquitto's programs, and AMQP beside them; sessions,
wills, retained and shared subscriptions; kill -9 in between."""
import base64
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import pika

import baton
import certificates

try:
    import paho.mqtt.client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    paho = None

V3, V5 = 4, 5
NODE = pathlib.Path(__file__).resolve().parent / "node"


def properties(kind, **values):
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """One paho client whose callbacks are waited for."""

    def __init__(self, case, client_id, version=V5, clean=True, user="guest", password="guest", port=None, expiry=None,
                 will=None, keepalive=60, connects=True, **connect_properties):
        self.case, self.version, self.clean = case, version, clean
        options = {} if version == V5 else {"clean_session": clean}
        self.paho = paho.Client(client_id=client_id, protocol=version, **options)
        if user is not None:
            self.paho.username_pw_set(user, password)
        self.messages, self.code, self.flags, self.answer, self.gone = [], None, None, None, None
        self.acks, self.lock = {}, threading.Condition()
        self.paho.on_message = lambda client, userdata, message: self.note(lambda: self.messages.append(message))
        self.paho.on_connect = self.on_connect
        self.paho.on_disconnect = lambda client, userdata, code, *more: self.note(lambda: setattr(self, "gone", code))
        self.paho.on_subscribe = lambda client, userdata, mid, codes, *more: self.note(
            lambda: self.acks.__setitem__(mid, [getattr(one, "value", one) for one in codes]))
        self.paho.on_unsubscribe = lambda client, userdata, mid, *more: self.note(lambda: self.acks.__setitem__(mid, more))
        self.paho.reconnect_delay_set(60, 60)
        if will:
            self.paho.will_set(**will)
        if expiry is not None:
            connect_properties["SessionExpiryInterval"] = expiry
        self.connect_properties = properties(PacketTypes.CONNECT, **connect_properties) if connect_properties else None
        self.keepalive = keepalive
        self.port = port or case.mqtt
        case.addCleanup(self.paho.loop_stop)
        if connects:
            self.connect()
            assert self.code == 0, self.code

    def note(self, work):
        with self.lock:
            work()
            self.lock.notify_all()

    def on_connect(self, client, userdata, flags, code, *more):
        def work():
            self.code, self.flags, self.answer = getattr(code, "value", code), flags, more[0] if more else None
        self.note(work)

    def wait(self, condition, what, timeout=20):
        with self.lock:
            if not self.lock.wait_for(condition, timeout):
                raise AssertionError(f"{what}: not within {timeout} s; {[(m.topic, m.payload) for m in self.messages]}")

    def connect(self):
        self.code = None
        options = {"clean_start": self.clean, "properties": self.connect_properties} if self.version == V5 else {}
        self.paho.connect("127.0.0.1", self.port, self.keepalive, **options)
        self.paho.loop_start()
        self.wait(lambda: self.code is not None, "CONNACK")
        return self

    def subscribe(self, filter, qos=0, **more):
        code, mid = self.paho.subscribe(filter, qos, **more) if not isinstance(filter, list) else self.paho.subscribe(filter, **more)
        self.wait(lambda: mid in self.acks, "SUBACK")
        return self.acks[mid]

    def unsubscribe(self, filter):
        code, mid = self.paho.unsubscribe(filter)
        self.wait(lambda: mid in self.acks, "UNSUBACK")

    def publish(self, topic, payload, qos=0, retain=False, **more):
        if more and self.version == V5:
            more = {"properties": properties(PacketTypes.PUBLISH, **more)}
        sent = self.paho.publish(topic, payload, qos, retain, **more)
        sent.wait_for_publish(20)
        assert sent.is_published(), f"{topic} {payload}"

    def expect(self, *payloads, timeout=20):
        """Exactly these, in this order."""
        wanted = [one if isinstance(one, bytes) else one.encode() for one in payloads]
        self.wait(lambda: len(self.messages) >= len(wanted), f"{wanted}", timeout)
        time.sleep(0.2)
        self.case.assertEqual([message.payload for message in self.messages], wanted)
        taken, self.messages[:] = list(self.messages), []
        return taken

    def quiet(self, seconds=0.5):
        time.sleep(seconds)
        self.case.assertEqual([(m.topic, m.payload) for m in self.messages], [])

    def leave(self, **more):
        self.paho.disconnect(**more)
        self.wait(lambda: self.gone is not None, "the end")
        self.paho.loop_stop()

    def die(self):
        """Without a word."""
        self.paho.loop_stop()
        sock = self.paho.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()


@unittest.skipIf(paho is None, "python3-paho-mqtt is not there")
class MqttTest(unittest.TestCase):
    def setUp(self):
        self.mqtt, self.mqtts, self.ws, amqps = baton.free_ports(4)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-mqtt-"))
        self.addCleanup(shutil.rmtree, self.folder)
        authority = certificates.Authority(self.folder, "ours")
        self.ca = authority.certificate
        certificate, key = authority.sign("server")
        self.connections = []
        self.server = baton.Server()
        self.server.env.update({
            "BATON_BROKER_MQTT_LISTEN": f"127.0.0.1:{self.mqtt}",
            "BATON_BROKER_MQTT_TLS_LISTEN": f"127.0.0.1:{self.mqtts}",
            "BATON_BROKER_MQTT_WEBSOCKET_LISTEN": f"127.0.0.1:{self.ws}",
            "BATON_BROKER_MQTT_KEEPALIVE_MAX": "60s",
            "BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{amqps}",
            "BATON_BROKER_TLS_CERTIFICATE": certificate,
            "BATON_BROKER_TLS_KEY": key,
        })
        self.server.start()

    def tearDown(self):
        for connection in self.connections:
            connection.close()
        log = self.server.log()
        self.server.close()
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            self.assertNotIn(word, log)

    def amqp(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.connections.append(connection)
        return connection.channel()

    def api(self, path, method="GET", body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(b"rabbitmqlogin:rabbitmqpassword").decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    # --- What everybody does ---

    def test_every_qos_in_both_versions(self):
        for version in (V3, V5):
            taker, giver = Client(self, f"taker{version}", version), Client(self, f"giver{version}", version)
            self.assertEqual(taker.subscribe([("a/+", 0), ("b/#", 1), ("c", 2)]) if version == V3 else
                             taker.subscribe([("a/+", SubscribeOptions(0)), ("b/#", SubscribeOptions(1)), ("c", SubscribeOptions(2))]),
                             [0, 1, 2])
            for number, (topic, qos, granted) in enumerate([("a/x", 2, 0), ("b", 1, 1), ("b/y/z", 2, 1), ("c", 2, 2), ("c", 1, 1),
                                                            ("c", 0, 0)]):
                giver.publish(topic, f"m{number}", qos)
                message, = taker.expect(f"m{number}")
                self.assertEqual((message.topic, message.qos, message.retain), (topic, granted, False))
            taker.unsubscribe("c")
            giver.publish("c", "nobody", 1)
            taker.quiet()
            taker.leave(), giver.leave()

    def test_dots_pluses_and_dollars(self):
        taker, giver = Client(self, "taker"), Client(self, "giver")
        taker.subscribe("#", 1)
        taker.subscribe("$dev/+", 1)
        for topic in ("foo.bar/x", "a*b/x", "/", "//a", "ä/ö", "$dev/7", "$other/7"):
            giver.publish(topic, topic, 1)
        self.assertEqual([m.topic for m in taker.expect("foo.bar/x", "a*b/x", "/", "//a", "ä/ö", "$dev/7")][5], "$dev/7")

    def test_beside_amqp(self):
        channel = self.amqp()
        channel.queue_declare("alarms", durable=True)
        channel.queue_bind("alarms", "amq.topic", "site.*.alarm")
        client = Client(self, "sensor")
        client.subscribe("site/+/command", 1)
        client.publish("site/7/alarm", b'{"t":90}', 1, ContentType="application/json", CorrelationData=b"c1",
                       ResponseTopic="site/7/answer", UserProperty=[("a", "1"), ("a", "2")], MessageExpiryInterval=60)
        method, header, body = baton.wait_for(lambda: (lambda got: got if got[0] else None)(channel.basic_get("alarms", auto_ack=True)), "the alarm")
        self.assertEqual((method.routing_key, body, header.content_type, header.correlation_id, header.delivery_mode, header.expiration),
                         ("site.7.alarm", b'{"t":90}', "application/json", "c1", 2, "60000"))
        self.assertEqual(header.headers["x-reply-to-topic"], "site.7.answer")
        self.assertTrue(header.message_id)
        channel.basic_publish("amq.topic", "site.7.command", b"on", pika.BasicProperties(
            delivery_mode=2, content_type="text/plain", correlation_id="c2", headers={"why": "hot", "n": 5, "yes": True}))
        message, = client.expect("on")
        self.assertEqual((message.topic, message.qos), ("site/7/command", 1))
        self.assertEqual(message.properties.ContentType, "text/plain")
        self.assertEqual(message.properties.CorrelationData, b"c2")
        self.assertEqual(sorted(message.properties.UserProperty), [("n", "5"), ("why", "hot"), ("yes", "true")])

    def test_properties_come_out_as_they_went_in(self):
        taker, giver = Client(self, "taker"), Client(self, "giver")
        taker.subscribe("p", 2, properties=properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=77))
        giver.publish("p", "x", 2, PayloadFormatIndicator=1, ContentType="text/ü", CorrelationData=b"\xff\0",
                      ResponseTopic="back/to", UserProperty=[("b", "1"), ("a", "2"), ("b", "3"), ("x-own", "4")])
        message, = taker.expect("x")
        got = message.properties
        self.assertEqual((got.PayloadFormatIndicator, got.ContentType, got.CorrelationData, got.ResponseTopic, got.SubscriptionIdentifier),
                         (1, "text/ü", b"\xff\0", "back/to", [77]))
        self.assertEqual(got.UserProperty, [("b", "1"), ("a", "2"), ("b", "3"), ("x-own", "4")])

    def test_options_of_subscriptions(self):
        client = Client(self, "both")
        client.publish("r", "kept", 1, True)
        client.subscribe("r", options=SubscribeOptions(1, noLocal=True, retainAsPublished=True, retainHandling=0))
        self.assertTrue(client.expect("kept")[0].retain)
        client.publish("r", "own", 1)
        client.quiet()
        client.subscribe("r", options=SubscribeOptions(1, retainHandling=1))
        client.quiet()
        client.subscribe("r", options=SubscribeOptions(1, retainAsPublished=True, retainHandling=2))
        client.publish("r", "next", 1, True)
        self.assertTrue(client.expect("next")[0].retain)
        client.subscribe("r", options=SubscribeOptions(1))
        self.assertTrue(client.expect("next")[0].retain)
        client.publish("r", "last", 1, True)
        self.assertFalse(client.expect("last")[0].retain)

    def test_overlapping_filters_give_one_message(self):
        taker, giver = Client(self, "taker"), Client(self, "giver")
        for number, (filter, qos) in enumerate([("o/#", 2), ("o/+", 1)]):
            taker.subscribe(filter, qos, properties=properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=number + 1))
        giver.publish("o/x", "once", 2)
        message, = taker.expect("once")
        self.assertEqual((message.qos, sorted(message.properties.SubscriptionIdentifier)), (2, [1, 2]))

    # --- Sessions ---

    def test_a_session_waits_and_goes_on(self):
        for version, more in ((V3, {"clean": False}), (V5, {"clean": False, "expiry": 300})):
            taker = Client(self, f"s{version}", version, **more)
            taker.subscribe("s/#", 2 if version == V3 else 1)
            giver = Client(self, f"g{version}", version)
            for end in ("leave", "die"):
                getattr(taker, end)()
                for number in range(3):
                    giver.publish("s/x", f"{number}", 1)
                giver.publish("s/x", "without", 0)
                taker = Client(self, f"s{version}", version, **more)
                self.assertTrue(taker.flags["session present"])
                taker.wait(lambda: len(taker.messages) >= 4, "what waited")
                self.assertEqual([m.payload for m in taker.messages], [b"0", b"1", b"2", b"without"])
                taker.messages.clear()
                time.sleep(0.3)  # until what it acknowledged is written
            taker.leave()
            fresh = Client(self, f"s{version}", version, clean=True)
            self.assertFalse(fresh.flags["session present"])
            giver.publish("s/x", "late", 1)
            fresh.quiet()

    def test_a_session_ends_when_its_time_is_over(self):
        taker = Client(self, "short", expiry=1)
        taker.subscribe("e", 1)
        self.assertIn("mqtt-subscription-shortqos1", [q["name"] for q in self.api("/api/queues")])
        taker.leave()
        baton.wait_for(lambda: "mqtt-subscription-shortqos1" not in [q["name"] for q in self.api("/api/queues")], "its end", 10)
        self.assertFalse(Client(self, "short", clean=False, expiry=1).flags["session present"])

    def test_the_younger_connection_takes_over(self):
        older = Client(self, "one", clean=False, expiry=60)
        older.subscribe("t", 1)
        younger = Client(self, "one", clean=False, expiry=60)
        self.assertTrue(younger.flags["session present"])
        older.wait(lambda: older.gone is not None, "the older one's end")
        older.paho.loop_stop()
        Client(self, "giver").publish("t", "x", 1)
        younger.expect("x")

    def test_a_session_is_its_users(self):
        for name in ("ada", "bob"):
            self.api(f"/api/users/{name}", method="PUT", body={"password": name, "tags": ""})
            self.api(f"/api/permissions/%2F/{name}", method="PUT", body={"configure": ".*", "write": ".*", "read": ".*"})
        ada = Client(self, "mine", clean=False, expiry=60, user="ada", password="ada")
        ada.subscribe("secret", 1)
        bob = Client(self, "mine", clean=False, expiry=60, user="bob", password="bob", connects=False).connect()
        self.assertEqual(bob.code, 0x85)
        self.assertIsNone(ada.gone)

    # --- Wills ---

    def test_wills(self):
        watcher = Client(self, "watcher")
        watcher.subscribe("w/#", 1)
        Client(self, "dies", will={"topic": "w/dies", "payload": "gone", "qos": 1, "retain": True}).die()
        watcher.expect("gone")
        Client(self, "leaves", will={"topic": "w/leaves", "payload": "gone", "qos": 1}).leave()
        watcher.quiet()
        late = Client(self, "late")
        late.subscribe("w/dies", 1)
        self.assertTrue(late.expect("gone")[0].retain)
        delayed = {"topic": "w/delayed", "payload": "gone", "qos": 1,
                   "properties": properties(PacketTypes.WILLMESSAGE, WillDelayInterval=2)}
        began = time.monotonic()
        Client(self, "delayed", expiry=60, will=delayed).die()
        watcher.expect("gone")
        self.assertGreater(time.monotonic() - began, 1.8)
        Client(self, "back", clean=False, expiry=60, will={**delayed, "topic": "w/back"}).die()
        Client(self, "back", clean=False, expiry=60)
        watcher.quiet(3)

    def test_a_will_is_sent_when_the_server_was_killed(self):
        watcher = Client(self, "watcher", clean=False, expiry=60)
        watcher.subscribe("w/#", 1)
        Client(self, "device", clean=False, expiry=60, will={"topic": "w/device", "payload": "gone", "qos": 1})
        self.server.kill()
        self.server.start()
        watcher = Client(self, "watcher", clean=False, expiry=60)
        watcher.expect("gone")

    # --- What is durable ---

    def test_nothing_confirmed_is_lost_by_a_kill(self):
        taker = Client(self, "taker", clean=False, expiry=600)
        taker.subscribe([("d/1", SubscribeOptions(1)), ("d/2", SubscribeOptions(2))])
        taker.leave()
        giver = Client(self, "giver")
        for number in range(50):
            giver.publish(f"d/{1 + number % 2}", f"{number}", 1 + number % 2)
        giver.publish("d/kept", "kept", 1, True)
        giver.publish("d/wiped", "wiped", 1, True)
        giver.publish("d/wiped", "", 1, True)
        self.server.kill()
        self.server.start()
        taker = Client(self, "taker", clean=False, expiry=600)
        self.assertTrue(taker.flags["session present"])
        taker.wait(lambda: len(taker.messages) >= 50, "all messages")
        self.assertEqual(sorted(int(m.payload) for m in taker.messages), list(range(50)))
        late = Client(self, "late")
        late.subscribe("d/#", 1)
        self.assertEqual(late.expect("kept")[0].topic, "d/kept")

    def test_qos_2_is_once_over_a_kill(self):
        """PUBLISH, PUBREC, kill -9, the same PUBLISH again as a client has to: one message."""
        taker = Client(self, "taker", clean=False, expiry=600)
        taker.subscribe("q", 2)
        taker.leave()
        connect = b"\x10\x1f\x00\x04MQTT\x04\xc0\x00\x3c\x00\x03raw\x00\x05guest\x00\x05guest"
        connect = connect[:1] + bytes([len(connect) - 2]) + connect[2:]
        publish = b"\x34\x08\x00\x01q\x00\x05one"

        def talk():
            raw = socket.create_connection(("127.0.0.1", self.mqtt), 10)
            raw.sendall(connect)
            self.assertEqual(raw.recv(4)[:2], b"\x20\x02")
            return raw
        raw = talk()
        raw.sendall(publish)
        self.assertEqual(raw.recv(4), b"\x50\x02\x00\x05")
        self.server.kill()
        self.server.start()
        raw.close()
        raw = talk()
        raw.sendall(bytes([publish[0] | 8]) + publish[1:])
        self.assertEqual(raw.recv(4), b"\x50\x02\x00\x05")
        raw.sendall(b"\x62\x02\x00\x05")
        self.assertEqual(raw.recv(4), b"\x70\x02\x00\x05")
        raw.close()
        taker = Client(self, "taker", clean=False, expiry=600)
        taker.expect("one")

    # --- Retained ---

    def test_retained_by_wildcards_and_by_amqp(self):
        giver = Client(self, "giver")
        for number in range(300):
            giver.paho.publish(f"many/{number:03}", f"{number}", 1, True)
        giver.publish("many/last", "", 1, True)
        self.amqp().basic_publish("amq.topic", "many.amqp", b"by amqp", pika.BasicProperties(headers={"x-mqtt-retain": True}))
        for qos in (0, 1, 2):
            taker = Client(self, f"taker{qos}")
            taker.subscribe("many/#", qos)
            taker.wait(lambda: len(taker.messages) >= 301, "all retained")
            self.assertEqual(sorted(m.payload for m in taker.messages), sorted([b"by amqp"] + [str(n).encode() for n in range(300)]))
            self.assertTrue(all(m.retain for m in taker.messages))
            taker.leave()

    # --- Shared subscriptions ---

    def test_shared_subscriptions(self):
        takers = [Client(self, f"worker{number}") for number in range(3)]
        for taker in takers:
            self.assertEqual(taker.subscribe("$share/group/job/+", 2), [1])
        everybody = Client(self, "everybody")
        everybody.subscribe("job/#", 1)
        giver = Client(self, "giver")
        for number in range(60):
            giver.publish(f"job/{number}", f"{number}", 1)
        everybody.wait(lambda: len(everybody.messages) == 60, "all")
        baton.wait_for(lambda: sum(len(taker.messages) for taker in takers) == 60, "each once")
        self.assertTrue(all(len(taker.messages) >= 10 for taker in takers))
        for taker in takers:
            taker.unsubscribe("$share/group/job/+")
        self.assertFalse([q["name"] for q in self.api("/api/queues") if "share" in q["name"]])

    # --- Who may ---

    def test_rights(self):
        self.api("/api/users/dev7", method="PUT", body={"password": "x", "tags": ""})
        self.api("/api/permissions/%2F/dev7", method="PUT", body={"configure": "^mqtt-", "write": "^(mqtt-|amq\\.topic)", "read": "^(mqtt-|amq\\.topic)"})
        self.api("/api/topic-permissions/%2F/dev7", method="PUT",
                        body={"exchange": "amq.topic", "write": "^{username}\\.", "read": "^{username}\\."})
        device = Client(self, "dev", user="dev7", password="x")
        self.assertEqual(device.subscribe([("dev7/#", SubscribeOptions(1)), ("other/#", SubscribeOptions(1))]), [1, 0x87])
        device.publish("dev7/t", "own", 1)
        device.expect("own")
        codes = []
        device.paho.on_publish = lambda client, userdata, mid, *more: codes.append(mid)
        watcher = Client(self, "watcher")
        watcher.subscribe("#", 1)
        device.publish("other/t", "foreign", 1)
        device.publish("dev7/t", "again", 1)
        watcher.expect("again")
        self.assertIsNone(device.gone)
        older = Client(self, "dev3", V3, user="dev7", password="x")
        self.assertEqual(older.subscribe("other", 1), [0x80])
        older.paho.publish("other/t", "foreign", 1)
        older.wait(lambda: older.gone is not None, "3.1.1 is closed")
        older.paho.loop_stop()
        for user, password, version, code in (("dev7", "wrong", V5, 0x86), ("dev7", "wrong", V3, 4), (None, None, V5, 0x86), (None, None, V3, 5),
                                              ("nowhere:guest", "guest", V5, 0x87)):
            refused = Client(self, "refused", version, user=user, password=password, connects=False).connect()
            self.assertEqual(refused.code, code, (user, version))
            refused.paho.loop_stop()

    def test_keep_alive(self):
        client = Client(self, "asleep", keepalive=1, will={"topic": "k", "payload": "gone", "qos": 1})
        watcher = Client(self, "watcher", keepalive=600)
        self.assertEqual(watcher.answer.ServerKeepAlive, 60)
        watcher.subscribe("k", 1)
        client.paho.loop_stop()
        watcher.expect("gone", timeout=10)

    def test_tls(self):
        client = paho.Client("tls", protocol=V5)
        client.username_pw_set("guest", "guest")
        client.tls_set(self.ca)
        client.tls_insecure_set(True)
        done = threading.Event()
        client.on_connect = lambda c, *more: c.subscribe("tls", 1)
        client.on_subscribe = lambda c, *more: c.publish("tls", b"x" * 100_000, 1)
        client.on_message = lambda c, userdata, message: message.payload == b"x" * 100_000 and done.set()
        client.connect("127.0.0.1", self.mqtts)
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.assertTrue(done.wait(20))

    def test_websocket(self):
        client = paho.Client("ws", protocol=V5, transport="websockets")
        client.username_pw_set("guest", "guest")
        client.ws_set_options("/mqtt")
        done = threading.Event()
        client.on_connect = lambda c, *more: c.subscribe("ws", 1)
        client.on_subscribe = lambda c, *more: c.publish("ws", b"x" * 100_000, 1)
        client.on_message = lambda c, userdata, message: message.payload == b"x" * 100_000 and done.set()
        client.connect("127.0.0.1", self.ws)
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.assertTrue(done.wait(20))

    @unittest.skipUnless(shutil.which("mosquitto_pub"), "mosquitto-clients is not there")
    def test_mosquittos_programs(self):
        common = ["-h", "127.0.0.1", "-p", str(self.mqtt), "-u", "guest", "-P", "guest"]
        subscriber = subprocess.Popen(["mosquitto_sub", *common, "-t", "m/#", "-q", "2", "-C", "3", "-v"], text=True, stdout=subprocess.PIPE)
        self.addCleanup(subprocess.Popen.kill, subscriber)
        baton.wait_for(lambda: [q for q in self.api("/api/queues") if q["name"].startswith("mqtt-sub")], "the subscription")
        for qos, version in ((0, "mqttv31"), (1, "mqttv311"), (2, "mqttv5")):
            subprocess.run(["mosquitto_pub", *common, "-t", f"m/{qos}", "-m", "x", "-q", str(qos), "-V", version], check=True, timeout=20)
        self.assertEqual(subscriber.communicate(timeout=20)[0].split("\n"), ["m/0 x", "m/1 x", "m/2 x", ""])

    def test_an_alarm_starts_one_run_which_tells_the_device(self):
        self.server.stop()
        self.server.env.update({"BATON_BROKER_MQTT_EVENTS": "devices/+/alarm,old/#", "BATON_BROKER_MQTT_COMMANDS": "devices/+/command"})
        self.server.start()
        self.server.deploy("""
workflow = "alarm"
[input]
device  = { type = "string", required = true }
celsius = { type = "integer", required = true }
[[on]]
event = "devices.*.alarm"
input = { device = "${event.type.split('.')[1]}", celsius = "${event.data.celsius}" }
[[step]]
id   = "tell"
emit = { type = "devices.${input.device}.command", data = { fan = "on", at = "${input.celsius}" } }
""")
        device = Client(self, "device7", clean=False, expiry=60)
        device.subscribe("devices/7/command", 1)
        device.publish("devices/7/alarm", b'{"celsius": 90}', 2)
        device.wait(lambda: device.messages, "the command")
        self.assertEqual(json.loads(device.messages[0].payload)["data"], {"fan": "on", "at": 90})
        runs = baton.wait_for(lambda: [r for r in self.server.json("runs") if r["status"] == "completed"], "the run")
        self.assertEqual(len(runs), 1)
        self.server.stop()
        self.server.env["BATON_BROKER_MQTT_EVENTS"] = "devices/+/alarm"
        self.server.start()
        keys = [b["routing_key"] for b in self.api("/api/exchanges/%2F/amq.topic/bindings/source") if b["destination"] == "baton.event"]
        self.assertEqual(keys, ["devices.*.alarm"])

    def test_sessions_are_seen_and_ended(self):
        client = Client(self, "seen", clean=False, expiry=60)
        client.subscribe("a", 1)
        Client(self, "kept").publish("r", "x", 1, True)
        env = {**self.server.env, "BATON_USER": "rabbitmqlogin", "BATON_PASSWORD": "rabbitmqpassword"}

        def ctl(*words):
            done = subprocess.run([baton.EXE, "ctl", *words], env=env, text=True, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout
        rows = json.loads(ctl("list_mqtt_sessions", "--formatter", "json", "client_id", "user", "connected", "subscriptions", "expiry_seconds"))
        self.assertIn({"client_id": "seen", "user": "guest", "connected": True, "subscriptions": 1, "expiry_seconds": 60}, rows)
        self.assertIn("MQTT 5.0", [one["protocol"] for one in self.api("/api/connections")])
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}/metrics")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"rabbitmqlogin:rabbitmqpassword").decode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            figures = answer.read().decode()
        self.assertIn("baton_mqtt_retained_messages 1\n", figures)
        self.assertIn('baton_mqtt_sessions{connected="true"} 2\n', figures)
        ctl("delete_mqtt_session", "seen")
        client.wait(lambda: client.gone is not None, "the end")
        client.paho.loop_stop()
        self.assertFalse([q["name"] for q in self.api("/api/queues") if "seen" in q["name"]])
        self.assertEqual([p for p in self.api("/api/parameters") if "mqtt" in p["component"]], [])

    @unittest.skipUnless(shutil.which("node") and (NODE / "node_modules" / "mqtt").exists(), "Node.js or MQTT.js is not there")
    def test_mqtt_js(self):
        done = subprocess.run(["node", "mqtt_test.mjs", f"mqtt://127.0.0.1:{self.mqtt}", f"ws://127.0.0.1:{self.ws}/mqtt"], cwd=NODE,
                              text=True, capture_output=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("ok"), 4)

    def test_a_flood_for_one_that_does_not_read(self):
        slow = Client(self, "slow", V3)
        slow.subscribe("f", 0)
        slow.paho.loop_stop()
        giver = Client(self, "giver")
        for number in range(3000):
            giver.paho.publish("f", b"x" * 10_000, 0)
        giver.publish("f", b"end", 1)
        slow.paho.loop_start()
        slow.wait(lambda: slow.messages and slow.messages[-1].payload == b"end", "the last one")


if __name__ == "__main__":
    unittest.main()
