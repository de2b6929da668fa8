"""Metrics for Prometheus: the text itself, that nothing ever shrinks, and that a real Prometheus finds
a series for every expression of RabbitMQ's public overview dashboard (10991)."""
import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

import pika

import baton

METRICS, PROMETHEUS = baton.free_ports(2)
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operating.md"
WHO = 'rabbitmq_identity_info{rabbitmq_endpoint="aggregated"}'
JOIN = f"on(instance, job) group_left(rabbitmq_cluster, rabbitmq_node) {WHO}"
GLOBAL = "rabbitmq_global_messages_"
# What the dashboard shows as it is …
GAUGES = ["rabbitmq_" + name for name in (
    "build_info connections channels queues queue_messages_ready queue_messages_unacked process_open_fds process_max_fds "
    "process_resident_memory_bytes resident_memory_limit_bytes disk_space_available_bytes "
    "disk_space_available_limit_bytes erlang_uptime_seconds global_publishers global_consumers").split()]
# … and what as a rate.
COUNTERS = ["rabbitmq_" + name for name in (
    "connections_opened_total connections_closed_total channels_opened_total channels_closed_total "
    "queues_declared_total queues_created_total queues_deleted_total").split()] + [
    f"{GLOBAL}{name}_total" for name in (
        "received received_confirm routed confirmed unroutable_dropped unroutable_returned delivered redelivered "
        "delivered_consume_auto_ack delivered_consume_manual_ack delivered_get_auto_ack delivered_get_manual_ack "
        "acknowledged get_empty").split()]


def expressions():
    yield WHO
    for name in GAUGES:
        yield f"{name} * {JOIN}"
        yield f"sum({name} * {JOIN}) by(rabbitmq_node)"
    for name in COUNTERS:
        yield f"sum(rate({name}[20s]) * {JOIN}) by(rabbitmq_node)"
    yield f"sum(increase(rabbitmq_message_size_bytes_bucket[20s]) * {JOIN}) by(le)"
    yield f"histogram_quantile(0.99, sum(rate(rabbitmq_message_size_bytes_bucket[20s]) * {JOIN}) by(le))"
    yield f"(rabbitmq_resident_memory_limit_bytes * {JOIN}) - (rabbitmq_process_resident_memory_bytes * {JOIN})"
    yield f"(rabbitmq_disk_space_available_bytes * {JOIN}) - (rabbitmq_disk_space_available_limit_bytes * {JOIN})"
    yield f"(rabbitmq_process_max_fds * {JOIN}) - (rabbitmq_process_open_fds * {JOIN})"


class MetricsTest(baton.ServerTest):
    env = {"BATON_METRICS_LISTEN": f"127.0.0.1:{METRICS}", "BATON_BROKER_USERS": ""}

    def text(self, path="/metrics", port=METRICS, user=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
        if user:
            request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
            return answer.read().decode()

    def value(self, name, labels="", **where):
        found = re.search(rf"^{re.escape(name + labels)}(?:\{{.*\}})? (\S+)$", self.text(**where), re.M)
        return float(found.group(1)) if found else None

    def connect(self):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.server.amqp))

    def do_everything(self):
        """One of each event that is counted, on a connection that is gone afterwards."""
        connection = self.connect()
        channel = connection.channel()
        for queue in ("load", "load-quorum", "load-dead"):
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"} if queue == "load-quorum" else {
                "x-max-length": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "load"} if queue == "load-dead" else {})
        for queue in ("load", "load-quorum"):
            for size in (0, 500, 5_000):
                channel.basic_publish("", queue, b"x" * size)
            method, _, _ = channel.basic_get(queue)
            channel.basic_nack(method.delivery_tag)
            channel.basic_ack(channel.basic_get(queue)[0].delivery_tag)
            channel.basic_get(queue, auto_ack=True)
            channel.basic_get(queue, auto_ack=True)
            channel.basic_get(queue)
        for _ in range(3):
            channel.basic_publish("", "load-dead", b"x")
        for auto_ack in (True, False):
            channel.basic_publish("", "load", b"x")
            for method, _, _ in channel.consume("load", auto_ack=auto_ack, inactivity_timeout=5):
                if not auto_ack:
                    channel.basic_ack(method.delivery_tag)
                break
            channel.cancel()
        channel.basic_publish("", "nobody", b"x")
        confirming = connection.channel()
        confirming.confirm_delivery()
        confirming.basic_publish("", "load", b"x")
        try:
            confirming.basic_publish("", "nobody", b"x", mandatory=True)
        except pika.exceptions.UnroutableError:
            pass
        for queue in ("load", "load-quorum", "load-dead"):
            channel.queue_delete(queue)
        connection.close()

    def test_counters_count_and_never_shrink(self):
        names = COUNTERS + ["rabbitmq_message_size_bytes_count", "rabbitmq_message_size_bytes_sum",
                            f"{GLOBAL}dead_lettered_maxlen_total"]
        def all_values(text):
            sums = dict.fromkeys(names, 0.0)
            for line in text.splitlines():
                name, value = line.rsplit(" ", 1)[0].split("{")[0], line.rsplit(" ", 1)[1]
                if name in sums:
                    sums[name] += float(value)
            return sums
        before = all_values(self.text())
        self.do_everything()
        # What a client closed is counted when the server has seen it.
        grown = lambda after: all(after[name] > before[name] for name in names)
        try:
            baton.wait_for(lambda: grown(all_values(self.text())), "every counter has grown")
        except AssertionError:
            after = all_values(self.text())
            self.fail("did not grow: " + ", ".join(name for name in names if after[name] <= before[name]))

    def test_sizes_are_cumulative(self):
        buckets = lambda: {bound: int(count) for bound, count in re.findall(
            r'^rabbitmq_message_size_bytes_bucket\{le="(\S+)"\} (\d+)$', self.text(), re.M)}
        before = buckets()
        connection = self.connect()
        for size in (100, 101, 20_000):
            connection.channel().basic_publish("", "nobody", b"x" * size)
        connection.close()
        after = buckets()
        grown = {bound: after[bound] - before[bound] for bound in after}
        self.assertEqual(list(grown), ["100", "1000", "10000", "100000", "1000000", "10000000", "50000000", "100000000", "+Inf"])
        # The orchestrator's own small messages may be among them.
        self.assertEqual((grown["1000"] - grown["100"], grown["100000"] - grown["10000"], grown["+Inf"] - grown["100000"]), (1, 1, 0))

    def test_single_queues_are_told_apart(self):
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare('q "\\\n', exclusive=True)
        channel.basic_publish("", 'q "\\\n', b"12345")
        label = r'{vhost="/",queue="q \"\\\n"}'
        self.assertNotIn(label, self.text())
        self.assertIn(f"rabbitmq_queue_messages_ready{label} 1\n", self.text("/metrics/per-object"))
        self.assertIn(f"rabbitmq_queue_messages_bytes{label} 5\n", self.text("/metrics/per-object"))
        coarse = self.text("/metrics/detailed?family=queue_coarse_metrics&vhost=%2F")
        self.assertIn(f"rabbitmq_detailed_queue_messages_ready{label} 1\n", coarse)
        self.assertNotIn("queue_consumers", coarse)
        self.assertNotIn(label, self.text("/metrics/detailed?family=queue_coarse_metrics&vhost=other"))
        connection.close()

    def test_each_family_is_described_once(self):
        for path in ("/metrics", "/metrics/per-object", "/metrics/detailed?family=queue_coarse_metrics"):
            text = self.text(path)
            described = re.findall(r"^# TYPE (\S+)", text, re.M)
            self.assertEqual(len(described), len(set(described)), path)
            # A histogram's lines have its name with an ending.
            used = {name if name in described else re.sub(r"_(bucket|sum|count)$", "", name)
                    for name in re.findall(r"^([a-z_0-9]+)[{ ]", text, re.M)}
            self.assertLessEqual(used, set(described), path)

    def test_workers_and_queues_of_task_types_are_seen(self):
        connection = self.connect()
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("baton.task.mail.create", durable=True)
        channel.basic_publish("", "baton.task.mail.create", b"{}")
        self.assertEqual(self.value("baton_task_queue_depth", '{task="mail.create"}'), 1)
        self.assertEqual(self.value("baton_task_consumers", '{task="mail.create"}'), 0)
        channel.queue_delete("baton.task.mail.create")
        connection.close()
        for name in ("baton_transitions_total", "baton_ignored_reports_total", "baton_commit_failures_total",
                     "baton_takeovers_total", "baton_outbox_behind"):
            self.assertIsNotNone(self.value(name), name)

    def test_the_api_port_asks_who_wants_to_know(self):
        self.assertIn("rabbitmq_identity_info", self.text(port=self.server.http, user="guest:guest"))
        for user in (None, "guest:wrong"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.text(port=self.server.http, user=user)
            self.assertEqual(refused.exception.code, 401)

    def test_a_taken_port_ends_only_who_chose_it(self):
        chosen = baton.Server(env={"BATON_METRICS_LISTEN": f"127.0.0.1:{METRICS}"})
        try:
            with self.assertRaisesRegex(AssertionError, "cannot listen for metrics.*BATON_METRICS_LISTEN"):
                chosen.start()
        finally:
            chosen.close()
        # Twice with the usual port: one of the two, or somebody else on this machine, has it.
        usual = [baton.Server() for _ in range(2)]
        for server in usual:
            del server.env["BATON_METRICS_LISTEN"]
        try:
            for server in usual:
                server.start()
            self.assertIn("the address is taken", usual[0].log() + usual[1].log())
        finally:
            for server in usual:
                server.close()

    def do_runs(self):
        """Of a workflow with a task: one that completes, one that fails for good, one that is open."""
        self.server.deploy('workflow = "counted"\n[[step]]\nid = "a"\ntask = "metrics.a"\nretry = { max_attempts = 2, '
                           'initial_interval = "10ms" }\n[[step]]\nid = "b"\nset = { x = 1 }\n')
        runs = [self.server.http_json(self.server.http, "/api/runs", {"workflow": "counted", "input": {}})["run"] for _ in range(2)]
        connection = self.connect()
        channel = connection.channel()

        def report(task, kind, body):
            channel.basic_publish("", task.reply_to, json.dumps(body), pika.BasicProperties(
                type=kind, correlation_id=task.correlation_id, delivery_mode=2))
        done = 0
        for method, task, _ in channel.consume("baton.task.metrics.a", inactivity_timeout=30):
            self.assertIsNotNone(method, "a task comes")
            report(task, "started", {})
            report(task, *(("completed", {}) if task.headers["baton-run"] == runs[0] else ("failed", {"type": "no"})))
            channel.basic_ack(method.delivery_tag)
            done += 1
            if done == 3:
                break
        channel.cancel()
        connection.close()
        def closed():
            return all(self.server.http_json(self.server.http, "/api/runs/" + run)["closed_at"] for run in runs)
        baton.wait_for(closed, "the runs are closed")
        self.server.http_json(self.server.http, "/api/runs", {"workflow": "counted", "input": {}})

    def test_runs_steps_and_tasks_are_counted(self):
        names = [('baton_runs_started_total', '{workflow="counted"}', 3),
                 ('baton_runs_closed_total', '{workflow="counted",status="completed"}', 1),
                 ('baton_runs_closed_total', '{workflow="counted",status="failed"}', 1),
                 ('baton_run_duration_seconds_count', '{workflow="counted",status="completed"}', 1),
                 ('baton_steps_total', '{workflow="counted",outcome="done"}', 2),
                 ('baton_steps_total', '{workflow="counted",outcome="dead"}', 1),
                 ('baton_task_attempts_total', '{task="metrics.a",outcome="completed"}', 1),
                 ('baton_task_attempts_total', '{task="metrics.a",outcome="failed"}', 2),
                 ('baton_task_run_seconds_count', '{task="metrics.a",outcome="failed"}', 2),
                 ('baton_dead_letters_total', '{task="metrics.a",reason="exhausted"}', 1)]
        before = {name: self.value(*name[:2]) or 0 for name in names}
        self.do_runs()
        for name in names:
            self.assertEqual(self.value(*name[:2]) - before[name], name[2], name)
        self.assertGreater(self.value("baton_task_queue_seconds_count", '{task="metrics.a"}'), 0)
        for name in ("baton_commit_seconds_count", "baton_commit_batch_size_count", "baton_journal_sync_seconds_count",
                     "baton_store_query_seconds_count", "baton_partitions_owned", "baton_workers_heard"):
            self.assertGreater(self.value(name), 0, name)
        self.assertGreater(self.value("baton_log_lines_total", '{level="info"}'), 0)
        self.assertGreater(self.value("baton_http_request_seconds_count", '{route="/api/runs",code="201"}'), 0)
        def stored():
            return self.value("baton_runs", '{workflow="counted",status="completed"}') and \
                self.value("baton_dead_letters", '{task="metrics.a",reason="exhausted"}')
        baton.wait_for(stored, "what lies in the store is counted", 40, pause=1)

    @unittest.skipUnless(os.path.exists("/usr/bin/promtool"), "promtool is not installed")
    def test_promtool_finds_nothing_to_complain_about_in_what_is_ours(self):
        self.do_runs()
        lines = [line for line in self.text().splitlines() if re.search(r"^(# \w+ )?baton_", line)]
        self.assertGreater(len(lines), 100)
        done = subprocess.run(["/usr/bin/promtool", "check", "metrics"], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    @unittest.skipUnless(os.path.exists("/usr/bin/prometheus"), "Prometheus is not installed")
    def test_prometheus_finds_what_the_public_dashboard_asks_for(self):
        config = self.server.home / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: broker\n  static_configs:\n"
                          f"  - targets: ['127.0.0.1:{METRICS}']\n")
        with open(self.server.home / "prometheus.log", "wb") as log:
            prometheus = subprocess.Popen(
                ["/usr/bin/prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.server.home}/prometheus",
                 f"--web.listen-address=127.0.0.1:{PROMETHEUS}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        def query(expression):
            address = f"http://127.0.0.1:{PROMETHEUS}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        try:
            baton.wait_for(lambda: baton.accepts(PROMETHEUS), "Prometheus starts")
            def is_ready():
                try:
                    return query(WHO)
                except OSError:
                    return False
            baton.wait_for(is_ready, "the first look")
            connection = self.connect()
            connection.channel().queue_declare("stays", exclusive=True)
            for _ in range(3):
                self.do_everything()
            moved = [f"sum(rate({name}[20s]))" for name in COUNTERS]
            baton.wait_for(lambda: all(result and float(result[0]["value"][1]) > 0 for result in map(query, moved)),
                           "all rates move", pause=1)
            self.do_runs()
            ours = OPERATING.read_text().split("```promql\n")[1].split("```")[0].splitlines()
            ours = [line.split("#")[0].strip() for line in ours]
            baton.wait_for(lambda: all(query(expression) for expression in ours), "what the documentation asks for", 60, pause=1)
            for expression in expressions():
                with self.subTest(expression):
                    result = query(expression)
                    self.assertTrue(result)
                    self.assertNotIn("NaN", [series["value"][1] for series in result])
            connection.close()
        finally:
            prometheus.send_signal(signal.SIGTERM)
            prometheus.wait(30)


if __name__ == "__main__":
    unittest.main()
