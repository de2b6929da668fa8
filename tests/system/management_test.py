"""The broker's administration over HTTP as RabbitMQ's clients use it: parameters of lists, publishing
and getting, checks of health, and RabbitMQ's own rabbitmqadmin."""
import base64
import json
import os
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import pika

import baton
import raw

RABBITMQADMIN = "/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/plugins/rabbitmq_management-3.10.8/priv/www/cli/rabbitmqadmin"
ROOT = "guest:guest"


class Counted(raw.Client):
    """Counts what it sends and reads."""

    def __init__(self, port, **arguments):
        super().__init__(port, **arguments)
        self.sent = self.received = 0

    def send(self, data):
        super().send(data)
        self.sent += len(data)

    def exactly(self, count):
        data = super().exactly(count)
        self.received += len(data)
        return data


class ManagementTest(baton.ServerTest):
    env = {"BATON_BROKER_USERS": ""}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", cls.server.amqp))
        cls.channel = cls.connection.channel()
        for at in range(12):
            cls.channel.queue_declare(f"Page-{at:02}")
            for _ in range(at):
                cls.channel.basic_publish("", f"Page-{at:02}", b"x")
        cls.api("PUT", "users/small", {"password": "small", "tags": "management"})
        cls.api("PUT", "permissions/%2F/small", {"configure": "^mine", "write": "^mine", "read": "^mine"})

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        super().tearDownClass()

    @classmethod
    def api(cls, method, path, body=None, user=ROOT):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{cls.server.http}/api/{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None

    # --- Lists ---

    def pages(self, **query):
        return self.api("GET", "queues/%2F?" + urllib.parse.urlencode({"name": "page-", **query}))

    def test_a_page_comes_in_the_envelope_of_rabbitmq(self):
        status, page = self.pages(page=2, page_size=5, sort="name")

        self.assertEqual(status, 200)
        self.assertEqual([queue["name"] for queue in page.pop("items")], [f"Page-{at:02}" for at in range(5, 10)])
        total = page.pop("total_count")
        self.assertGreaterEqual(total, 12)
        self.assertEqual(page, {"filtered_count": 12, "item_count": 5, "page": 2, "page_count": 3, "page_size": 5})
        self.assertEqual(self.pages(page=1)[1]["page_size"], 100)

    def test_names_are_filtered_by_part_or_pattern(self):
        names = lambda **query: [queue["name"] for queue in self.pages(page=1, **query)[1]["items"]]
        self.assertEqual(names(name="^PAGE-0[12]$", use_regex="true", pagination="false"), ["Page-01", "Page-02"])
        self.assertEqual(names(name="^page"), [])
        self.assertEqual(names(name="GE-03"), ["Page-03"])

    def test_lists_are_sorted_by_any_field(self):
        counts = lambda **query: [queue["messages"] for queue in self.pages(**query)[1]]
        self.assertEqual(counts(sort="messages", sort_reverse="true"), list(range(11, -1, -1)))
        self.assertEqual(counts(sort="message_stats.publish"), list(range(12)))

    def test_only_wanted_fields_come(self):
        self.assertEqual(self.pages(columns="name,message_stats.publish")[1][3],
                         {"name": "Page-03", "message_stats": {"publish": 3}})
        self.assertEqual(self.api("GET", "queues/%2F/Page-03?columns=messages")[1], {"messages": 3})
        plain, totals = self.pages(disable_stats="true")[1][3], self.pages(disable_stats="true", enable_queue_totals="true")[1][3]
        self.assertNotIn("message_stats", plain)
        self.assertNotIn("messages", plain)
        self.assertEqual(totals["messages"], 3)

    def test_parameters_hold_for_every_list(self):
        for path in ("queues", "exchanges", "bindings", "connections", "channels", "consumers", "vhosts", "users",
                     "permissions", "topic-permissions", "policies", "operator-policies", "vhost-limits", "user-limits",
                     "parameters", "global-parameters", "nodes", "queues/%2F", "exchanges/%2F", "bindings/%2F",
                     "users/guest/permissions", "vhosts/%2F/permissions", "users/without-permissions",
                     "queues/%2F/Page-01/bindings"):
            with self.subTest(path):
                status, page = self.api("GET", f"{path}?page=1&page_size=1&columns=name")
                self.assertEqual(status, 200)
                self.assertLessEqual(len(page["items"]), 1)
                self.assertEqual(page["page_count"], max(page["filtered_count"], 1))

    def test_parameters_without_sense_are_refused(self):
        for query in ({"page": 0}, {"page": "x"}, {"page": 1, "page_size": 0}, {"page": 1, "page_size": 501},
                      {"page": 99}, {"page": 1, "name": "(", "use_regex": "true"}, {"name": "a" * 2000}):
            with self.subTest(query):
                status, answer = self.pages(**query)
                self.assertEqual(status, 400)
                self.assertTrue(answer["reason"])

    # --- Rates ---

    def rates_of(self, path, **query):
        return self.api("GET", path + "?" + urllib.parse.urlencode(query))[1]

    def test_rates_come_with_their_samples(self):
        self.channel.queue_declare("rated")
        wish = {"msg_rates_age": 30, "msg_rates_incr": 5, "lengths_age": 30, "lengths_incr": 5}
        first = self.rates_of("queues/%2F/rated", **wish)
        self.assertEqual(first["message_stats"]["publish_details"]["rate"], 0.0)
        begin = time.monotonic()
        sent = 0
        while time.monotonic() < begin + 13:
            self.channel.basic_publish("", "rated", b"x")
            sent += 1
            time.sleep(0.05)
        queue = self.rates_of("queues/%2F/rated", **wish)

        speed = sent / 13
        published = queue["message_stats"]["publish_details"]
        self.assertAlmostEqual(published["rate"], speed, delta=speed / 2)
        times = [sample["timestamp"] for sample in published["samples"]]
        self.assertGreater(len(times), 1)
        self.assertEqual({before - after for before, after in zip(times, times[1:])}, {5000})
        self.assertEqual([at % 5000 for at in times], [0] * len(times))
        counts = [sample["sample"] for sample in queue["messages_details"]["samples"]]
        self.assertEqual(counts, sorted(counts, reverse=True))
        self.assertGreater(queue["messages_ready_details"]["rate"], 0)
        self.assertGreater(published["avg_rate"], 0)
        self.assertAlmostEqual(queue["messages_details"]["avg"], sum(counts) / len(counts))
        # Without a wish for samples only the rate comes, and with disable_stats nothing of it.
        self.assertEqual(list(self.rates_of("queues/%2F/rated")["messages_details"]), ["rate"])
        self.assertNotIn("messages_details", self.rates_of("queues/%2F/rated", disable_stats="true"))

    def test_the_bytes_of_a_connection_are_counted_on_every_io_thread(self):
        for threads in ("1", "3"):
            with self.subTest(io_threads=threads):
                server = baton.Server(env={"BATON_BROKER_IO_THREADS": threads}).start()
                self.addCleanup(server.close)
                clients = [Counted(server.amqp).log_in().open_channel().declare(f"counted{at}") for at in range(4)]
                for at, client in enumerate(clients):
                    client.consume(f"counted{at}")
                    for _ in range(at + 1):
                        client.send(raw.publish(1, f"counted{at}", b"x" * 100_000))
                        client.read_method(60, 60)
                        for _ in range(2):  # the content's header, and what fits into one frame of its body
                            client.read_frame()
                for client in clients:
                    name = urllib.parse.quote(f"127.0.0.1:{client.socket.getsockname()[1]} -> 127.0.0.1:{server.amqp}")
                    shown = server.http_json(server.http, f"/api/connections/{name}")
                    self.assertEqual((shown["recv_oct"], shown["send_oct"]), (client.sent, client.received))
                    self.assertGreater(shown["recv_cnt"], 0)
                    self.assertGreater(shown["send_cnt"], 0)
                    self.assertEqual(shown["send_pend"], 0)
                    self.assertEqual(shown["recv_oct_details"], {"rate": 0.0})
                # Two samples make a rate, five seconds apart.
                clients[0].send(raw.publish(1, "counted0", b"x" * 100_000))
                clients[0].read_method(60, 60)

                def rates():
                    listed = server.http_json(server.http, "/api/connections?data_rates_age=30&data_rates_incr=5")
                    found = {one["peer_port"]: one["recv_oct_details"] for one in listed if one["peer_port"]}
                    return found if found[clients[0].socket.getsockname()[1]]["rate"] else None
                found = baton.wait_for(rates, "a rate", 30, pause=0.5)
                mine = found[clients[0].socket.getsockname()[1]]
                self.assertTrue(2_000 < mine["rate"] < 25_000, mine)
                self.assertIn("samples", mine)
                self.assertEqual(found[clients[1].socket.getsockname()[1]]["rate"], 0.0)
                for client in clients:
                    client.close()

    def test_what_nobody_takes_is_pending(self):
        client = Counted(self.server.amqp, receive_buffer=4096).log_in().open_channel().declare("slow").consume("slow")
        self.addCleanup(client.close)
        sender = Counted(self.server.amqp).log_in().open_channel()
        self.addCleanup(sender.close)
        for _ in range(100):
            sender.send(raw.publish(1, "slow", b"x" * 100_000))
        port = client.socket.getsockname()[1]
        baton.wait_for(lambda: [one for one in self.api("GET", "connections")[1] if one["peer_port"] == port and one["send_pend"] > 100_000],
                       "bytes wait for a client that reads nothing")
        # `baton ctl` shows the same.
        said = self.server.baton("ctl", "list_connections", "peer_port", "send_oct", "send_pend", check=0).stdout
        line = next(line.split() for line in said.splitlines() if line.split()[:1] == [str(port)])
        self.assertGreater(int(line[1]), 0)
        self.assertGreater(int(line[2]), 100_000)

    def test_rates_are_everywhere_rabbitmq_has_them(self):
        for path in ("overview", "queues/%2F/Page-01", "exchanges/%2F/amq.direct"):
            with self.subTest(path):
                stats = self.rates_of(path)["message_stats"]
                for name in [name for name in stats if not name.endswith("_details")]:
                    self.assertIn("rate", stats[name + "_details"])
        self.assertIn("rate", self.rates_of("overview")["queue_totals"]["messages_ready_details"])
        self.assertIn("rate", self.rates_of("channels")[0]["message_stats"]["ack_details"])
        self.assertEqual(len(self.rates_of("queues", sort="messages_details.rate")), len(self.rates_of("queues")))

    def test_ages_without_sense_are_refused(self):
        for age, step in ((60, 0), (-1, 5), ("x", 5), (86400, 1), (100000, 1000)):
            for prefix in ("lengths", "msg_rates"):
                status, _ = self.api("GET", f"overview?{prefix}_age={age}&{prefix}_incr={step}")
                self.assertEqual(status, 400, (prefix, age, step))

    # --- Log-ins ---

    def test_log_ins_are_counted_by_protocol(self):
        node = urllib.parse.quote(self.api("GET", "overview")[1]["node"])
        counts = lambda: {one.pop("protocol"): one for one in self.api("GET", f"auth/attempts/{node}")[1]}
        before = counts()
        self.assertEqual(self.api("GET", "whoami", user="guest:wrong")[0], 401)
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.server.amqp,
                                                              credentials=pika.PlainCredentials("guest", "wrong")))
        after = counts()
        for protocol in ("amqp091", "http"):
            self.assertEqual(after[protocol]["auth_attempts_failed"] - before[protocol]["auth_attempts_failed"], 1)
        self.assertGreater(after["http"]["auth_attempts_succeeded"], before["http"]["auth_attempts_succeeded"])
        self.assertEqual(after["http"]["auth_attempts"],
                         after["http"]["auth_attempts_failed"] + after["http"]["auth_attempts_succeeded"])
        self.assertEqual(self.api("GET", f"auth/attempts/{node}/source"), (200, []))
        self.assertEqual(self.api("GET", "auth/attempts/elsewhere")[0], 404)
        self.assertEqual(self.api("GET", f"auth/attempts/{node}", user="small:small")[0], 401)
        with urllib.request.urlopen(self.metrics_request(), timeout=30) as answer:
            self.assertIn('rabbitmq_auth_attempts_failed_total{protocol="amqp091"} ', answer.read().decode())

    def metrics_request(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}/metrics")
        request.add_header("Authorization", "Basic " + base64.b64encode(ROOT.encode()).decode())
        return request

    def test_parameters_of_nobody_are_refused(self):
        status, answer = self.api("PUT", "parameters/mine/%2F/p", {"value": {}})
        self.assertEqual((status, answer["reason"]), (400, "Validation failed\n\ncomponent mine not found\n"))
        self.assertEqual(self.api("PUT", "parameters/shovel/%2F/p", {"value": {}})[0], 201)
        self.assertEqual(self.api("DELETE", "parameters/shovel/%2F/p")[0], 204)

    # --- Publish and get ---

    def publish(self, exchange, key, payload, user=ROOT, **more):
        return self.api("POST", f"exchanges/%2F/{exchange}/publish",
                        {"properties": {}, "routing_key": key, "payload": payload, "payload_encoding": "string", **more}, user)

    def get(self, queue, user=ROOT, **more):
        return self.api("POST", f"queues/%2F/{queue}/get",
                        {"count": 10, "ackmode": "ack_requeue_false", "encoding": "auto", **more}, user)

    def test_a_message_is_published_and_gotten(self):
        self.channel.queue_declare("post")
        properties = {"delivery_mode": 2, "content_type": "text/plain", "headers": {"a": 1}, "message_id": "m", "priority": 3}
        self.assertEqual(self.publish("amq.default", "post", "Grüße", properties=properties), (200, {"routed": True}))
        self.assertEqual(self.publish("amq.default", "nobody", "x"), (200, {"routed": False}))
        self.assertEqual(self.publish("amq.default", "post", "/wA=", payload_encoding="base64"), (200, {"routed": True}))

        status, first = self.get("post", count=1, ackmode="ack_requeue_true")
        _, both = self.get("post", truncate=5)

        self.assertEqual(status, 200)
        self.assertEqual(first, [{"payload_bytes": 7, "redelivered": False, "exchange": "", "routing_key": "post",
                                  "message_count": 1, "properties": properties, "payload": "Grüße",
                                  "payload_encoding": "string"}])
        self.assertEqual([(m["payload"], m["payload_encoding"], m["redelivered"], m["message_count"]) for m in both],
                         [(base64.b64encode("Grüße".encode()[:5]).decode(), "base64", True, 1), ("/wA=", "base64", False, 0)])
        self.assertEqual(self.get("post"), (200, []))

    def test_publishing_and_getting_need_the_rights_of_a_client(self):
        self.channel.queue_declare("mine")
        self.assertEqual(self.publish("amq.topic", "k", "x", user="small:small")[0], 401)
        self.assertEqual(self.get("Page-11", user="small:small")[0], 401)
        self.assertEqual(self.get("mine", user="small:small"), (200, []))
        self.assertEqual(self.get("Page-11", user="small:wrong")[0], 401)

    def test_what_is_not_there_or_not_right_is_said(self):
        self.assertEqual(self.publish("nowhere", "k", "x")[0], 404)
        self.assertEqual(self.get("nowhere")[0], 404)
        self.assertEqual(self.api("POST", "queues/nowhere/q/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"})[0], 404)
        for wrong in ({"payload_encoding": "hex"}, {"payload": 7}, {"payload": "?", "payload_encoding": "base64"},
                      {"properties": {"priority": 256}}, {"properties": 5}, {"properties": {"headers": 5}},
                      {"properties": {"type": "t" * 256}}, {"routing_key": "k" * 256}, {"properties": {"timestamp": -1}}):
            with self.subTest(wrong):
                body = {"routing_key": "k", "payload": "x", "payload_encoding": "string", **wrong}
                self.assertEqual(self.api("POST", "exchanges/%2F/amq.topic/publish", body)[0], 400)
        for wrong in ({"ackmode": "ack"}, {"encoding": "hex"}, {"count": -1}, {"count": "x"}, {"truncate": -1}):
            with self.subTest(wrong):
                self.assertEqual(self.get("Page-01", **wrong)[0], 400)

    # --- The node ---

    def test_the_node_tells_of_its_machine(self):
        node = self.api("GET", "nodes")[1][0]
        self.assertEqual(self.api("GET", f"nodes/{node['name']}?columns=name")[1], {"name": node["name"]})
        for figure in ("mem_used", "mem_limit", "fd_used", "fd_total", "disk_free", "processors"):
            self.assertGreater(node[figure], 0, figure)
        self.assertEqual((node["mem_alarm"], node["disk_free_alarm"]), (False, False))
        self.assertGreater(self.api("GET", f"nodes/{node['name']}/memory")[1]["memory"]["total"]["rss"], 1 << 20)
        self.assertEqual(self.api("GET", "nodes/other")[0], 404)
        self.assertEqual(self.api("GET", "cluster-name")[1], {"name": node["name"]})
        self.assertEqual(self.api("GET", "nodes", user="small:small")[0], 401)

    def test_health_checks_answer(self):
        for check in ("alarms", "local-alarms", "virtual-hosts", "ready-to-serve-clients", "is-in-service",
                      "node-is-quorum-critical", f"port-listener/{self.server.amqp}", f"port-listener/{self.server.http}",
                      "protocol-listener/amqp", "protocol-listener/http", "certificate-expiration/4/weeks"):
            with self.subTest(check):
                status, answer = self.api("GET", "health/checks/" + check)
                self.assertEqual((status, answer["status"]), (200, "ok"))
        for check in ("port-listener/1", "protocol-listener/mqtt"):
            status, answer = self.api("GET", "health/checks/" + check)
            self.assertEqual((status, answer["status"]), (503, "failed"))
        for check in ("port-listener/x", "certificate-expiration/x/weeks", "certificate-expiration/4/moons"):
            self.assertEqual(self.api("GET", "health/checks/" + check)[0], 400)
        self.assertEqual(self.api("GET", "healthchecks/node"), (200, {"status": "ok"}))
        self.assertEqual(self.api("GET", "aliveness-test/%2F"), (200, {"status": "ok"}))
        self.assertEqual(self.api("GET", "aliveness-test/nowhere")[0], 404)

    def test_a_hashed_password_lets_its_user_in(self):
        hashed = self.api("GET", "auth/hash_password/s%20ecret")[1]["ok"]
        self.api("PUT", "users/hashed", {"password_hash": hashed, "tags": "management"})
        self.assertEqual(self.api("GET", "whoami", user="hashed:s ecret")[0], 200)

    def test_a_channel_is_found_by_its_name(self):
        channels = self.api("GET", "channels")[1]
        for channel in channels:
            found = self.api("GET", "channels/" + urllib.parse.quote(channel["name"], safe=""))[1]
            self.assertEqual(found["pid"], channel["pid"])
            self.assertIn("consumer_details", found)
        self.assertEqual(self.api("GET", "channels/nobody")[0], 404)

    # --- RabbitMQ's own tool ---

    @unittest.skipUnless(os.path.exists(RABBITMQADMIN), "RabbitMQ is not installed")
    def test_every_verb_of_rabbitmqadmin_works(self):
        def admin(*words):
            done = subprocess.run(["/usr/bin/python3", RABBITMQADMIN, "-H", "127.0.0.1", "-P", str(self.server.http),
                                   "-u", "guest", "-p", "guest", *words], capture_output=True, text=True, timeout=60,
                                  cwd=self.server.home)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
            return done.stdout
        for what in ("users", "vhosts", "connections", "exchanges", "bindings", "permissions", "channels", "consumers",
                     "parameters", "policies", "operator_policies", "vhost_limits", "queues", "nodes"):
            admin("list", what)
        admin("show", "overview")
        admin("declare", "vhost", "name=tool")
        admin("declare", "user", "name=tool", "password=tool", "tags=management")
        admin("declare", "permission", "vhost=tool", "user=guest", "configure=.*", "write=.*", "read=.*")
        admin("-V", "tool", "declare", "queue", "name=q", "durable=true")
        admin("-V", "tool", "declare", "exchange", "name=e", "type=topic")
        admin("-V", "tool", "declare", "binding", "source=e", "destination=q", "routing_key=a.#")
        admin("-V", "tool", "declare", "policy", "name=p", "pattern=^q", 'definition={"max-length":10}', "apply-to=queues")
        admin("declare", "vhost_limit", "vhost=tool", "name=max-queues", "value=9")
        self.assertIn("published", admin("-V", "tool", "publish", "exchange=e", "routing_key=a.b", "payload=hello"))
        self.assertIn("hello", admin("-V", "tool", "get", "queue=q", "ackmode=ack_requeue_false"))
        admin("-V", "tool", "publish", "exchange=amq.default", "routing_key=q", "payload=more")
        admin("-V", "tool", "purge", "queue", "name=q")
        admin("export", "definitions.json")
        admin("import", "definitions.json")
        admin("-V", "tool", "delete", "binding", "source=e", "destination_type=queue", "destination=q", "properties_key=a.%23")
        admin("-V", "tool", "delete", "policy", "name=p")
        admin("-V", "tool", "delete", "exchange", "name=e")
        admin("-V", "tool", "delete", "queue", "name=q")
        admin("delete", "vhost_limit", "vhost=tool", "name=max-queues")
        admin("delete", "permission", "vhost=tool", "user=guest")
        admin("delete", "user", "name=tool")
        admin("delete", "vhost", "name=tool")
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.server.amqp))
        name = next(c["name"] for c in self.api("GET", "connections?sort=connected_at&sort_reverse=true")[1])
        admin("close", "connection", f"name={name}")
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            for _ in range(50):
                connection.process_data_events(0.2)


if __name__ == "__main__":
    unittest.main()
