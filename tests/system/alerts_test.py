"""The alert rules and the board that are shipped, with Debian's Prometheus: each rule is provoked by the trouble it is
for, against real servers, and each panel of the board has something to show. Only the patience of the rules is shortened."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

import pika

import baton
import postgres
import task_queue

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
BOARD = DEPLOY / "grafana" / "baton.json"
WINDOW = "8s"

WORKFLOW = """workflow = "watched"
on_failure = "{on_failure}"
[[step]]
id = "a"
task = "watched.a"
retry = {{ max_attempts = 1 }}
"""
NAP = """workflow = "nap"
[[step]]
id = "wait"
wait = "2s"
"""
SET = """workflow = "set"
[[step]]
id = "a"
set = { x = 1 }
"""


def impatient(rules):
    """The same rules, with seconds where they wait for minutes."""
    rules = re.sub(r"\[\d+m\]", f"[{WINDOW}]", rules)
    return re.sub(r"for: \d+m", "for: 1s", rules)


def fill(server):
    """More than the broker's memory, until it is taken away: closing the connection does."""
    connection = pika.BlockingConnection(pika.URLParameters(server.env["BATON_AMQP"]))
    channel = connection.channel()
    channel.queue_declare("heap", exclusive=True)
    channel.basic_publish("", "heap", bytes(65 << 20))
    return connection


class Prometheus:
    def __init__(self, *targets):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-prometheus-"))
        (self.folder / "rules.yaml").write_text(impatient(RULES.read_text()))
        listed = ", ".join(f"'127.0.0.1:{port}'" for port in targets)
        (self.folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yaml]\nscrape_configs:\n"
            f"- job_name: baton\n  static_configs:\n  - targets: [{listed}]\n")
        [self.port] = baton.free_ports(1)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/prometheus", f"--config.file={self.folder}/prometheus.yml",
                 f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        baton.wait_for(lambda: baton.accepts(self.port), "Prometheus starts")

    def ask(self, path, **query):
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def firing(self):
        """{name: labels}"""
        with contextlib.suppress(OSError):
            return {one["labels"]["alertname"]: one["labels"] for one in self.ask("alerts")["alerts"]
                    if one["state"] == "firing"}
        return {}

    def await_alert(self, name, timeout=60, **labels):
        def fires():
            found = self.firing().get(name)
            return found and labels.items() <= found.items()
        baton.wait_for(fires, f"{name} {labels}; firing: {self.firing()}", timeout, pause=0.5)

    def await_peace(self, name, timeout=60):
        baton.wait_for(lambda: name not in self.firing(), f"{name} ends", timeout, pause=0.5)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@unittest.skipUnless(os.path.exists("/usr/bin/prometheus"), "Prometheus is not installed")
class AlertsTest(task_queue.TaskQueue, unittest.TestCase):
    provoked = set()
    queue = "baton.task.watched.a"

    def begin(self, env=None, workflows=(), amqp=None, **options):
        [metrics] = baton.free_ports(1)
        self.server = baton.Server(env={"BATON_METRICS_LISTEN": f"127.0.0.1:{metrics}", **(env or {})}, **options)
        self.server.amqp = amqp or self.server.amqp
        self.addCleanup(self.server.close)
        self.server.start()
        for workflow in workflows:
            self.server.deploy(workflow)
        self.prometheus = Prometheus(metrics)
        self.addCleanup(self.prometheus.close)
        return self.server

    def begin_on_postgres(self, workflows=()):
        self.store = postgres.Postgres()
        self.addCleanup(self.store.close)
        # libpqxx loses a result when the connection breaks under a statement, which is what we do to it.
        (self.store.folder / "leaks").write_text("leak:libpqxx\n")
        return self.begin({"BATON_DB_URL": self.store.url,
                           "LSAN_OPTIONS": f"suppressions={self.store.folder}/leaks"}, workflows)

    def start(self, workflow, count=1):
        for _ in range(count):
            self.server.http_json(self.server.http, "/api/runs", {"workflow": workflow, "input": {}}, timeout=60)

    def fires(self, name, **options):
        self.prometheus.await_alert(name, **options)

    def take(self, channel):
        return baton.wait_for(lambda: (lambda got: got[0] and got)(channel.basic_get(self.queue)), "a task waits")

    def fail(self, count):
        """As a worker that can do none of them."""
        with self.channel() as channel:
            for _ in range(count):
                method, properties, _ = self.take(channel)
                channel.basic_publish("", properties.reply_to, json.dumps({"type": "worker.broken"}).encode(), pika.BasicProperties(
                    type="failed", correlation_id=properties.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)

    def test_rules_are_whole(self):
        done = subprocess.run(["/usr/bin/promtool", "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = RULES.read_text()
        names = re.findall(r"- alert: (\w+)", text)
        provoked = set(re.findall(r'self\.fires\("(\w+)"', pathlib.Path(__file__).read_text()))
        self.assertEqual(set(names), provoked, "a rule that no test provokes, or a test of none")
        self.assertEqual(len(re.findall(r"severity: (page|ticket)", text)), len(names))
        self.assertEqual(text.count("description:"), len(names))

    def test_runs_that_fail_and_tasks_without_a_worker(self):
        self.begin(workflows=[WORKFLOW.format(on_failure="fail")])
        self.start("watched")
        self.fires("BatonTaskWithoutWorker", task="watched.a")
        self.fail(1)
        for _ in range(20):
            self.start("watched", 2)
            self.fail(2)
            time.sleep(0.5)
            if "BatonRunsFail" in self.prometheus.firing():
                break
        self.fires("BatonRunsFail", workflow="watched")
        self.fires("BatonDeadLetters", task="watched.a")
        self.prometheus.await_peace("BatonTaskWithoutWorker")

    def test_runs_that_wait_for_somebody(self):
        self.begin(workflows=[WORKFLOW.format(on_failure="pause")])
        self.start("watched")
        self.fail(1)
        self.fires("BatonRunsPaused", workflow="watched")

    def test_tasks_that_pile_up(self):
        self.begin(workflows=[WORKFLOW.format(on_failure="fail")])
        with self.channel() as channel:  # a worker that is busy with one
            channel.basic_qos(prefetch_count=1)
            channel.basic_consume(self.queue, lambda *_: None)
            channel.connection.process_data_events(0)
            self.start("watched", 110)
            for _ in range(60):
                self.start("watched", 5)
                channel.connection.process_data_events(0.2)
                if "BatonTasksPileUp" in self.prometheus.firing():
                    break
            self.fires("BatonTasksPileUp", task="watched.a", timeout=5)
            self.assertNotIn("BatonTaskWithoutWorker", self.prometheus.firing())

    def test_a_server_that_is_gone(self):
        self.begin()
        self.server.kill()
        self.fires("BatonDown")

    def test_memory_and_descriptors(self):
        self.begin({"BATON_BROKER_MEMORY_HIGH_MIB": "64"},
                   wrap=["/usr/bin/python3", "-c", "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
                         "os.execv(sys.argv[1], sys.argv[1:])"])
        self.addCleanup(fill(self.server).close)
        self.fires("BatonMemoryAlarm")
        connected = []
        with contextlib.suppress(OSError):
            for _ in range(250):
                connected.append(socket.create_connection(("127.0.0.1", self.server.amqp), timeout=5))
        self.fires("BatonDescriptors")
        for one in connected:
            one.close()
        self.prometheus.await_peace("BatonDescriptors")

    def test_a_full_disk(self):
        data = "mkdir -p \"$BATON_DATA\" && mount -t tmpfs -o size=900m none \"$BATON_DATA\" && exec \"$@\""
        if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
            self.skipTest("no mounts for us here")
        self.begin(wrap=["unshare", "-rm", "sh", "-c", data, "sh"])
        folder = pathlib.Path(f"/proc/{self.server.process.pid}/root{self.server.env['BATON_DATA']}")
        with open(folder / "ballast", "wb") as file:
            file.write(bytes(shutil.disk_usage(folder).free - (30 << 20)))
        self.fires("BatonDiskAlarm")
        (folder / "ballast").unlink()
        self.prometheus.await_peace("BatonDiskAlarm")

    def test_a_run_that_nobody_can_read(self):
        server = self.begin(workflows=[WORKFLOW.format(on_failure="fail")])
        self.start("watched")
        server.kill()
        with sqlite3.connect(server.home / "data" / "baton.sqlite") as rows:
            rows.execute("update run set state = substr(state, 1, length(state) - 1)")
        server.start()
        server.baton("retry", server.json("runs")[0]["id"])
        self.fires("BatonRunUnreadable")

    def test_a_database_that_hangs_is_slow_and_is_gone(self):
        self.begin_on_postgres([NAP, SET])
        self.start("nap", 20)
        self.store.freeze()
        self.addCleanup(lambda: self.store.is_frozen and self.store.thaw())
        time.sleep(9)
        self.store.thaw()
        self.fires("BatonTimersLate")
        with contextlib.ExitStack() as threads:
            stops = threading.Event()
            threads.callback(stops.set)
            def stutter():
                while not stops.is_set():
                    self.store.freeze()
                    time.sleep(1)
                    self.store.thaw()
                    time.sleep(0.1)
            stuttering = threading.Thread(target=stutter)
            stuttering.start()
            threads.callback(lambda: (stops.set(), stuttering.join()))
            for _ in range(15):
                self.start("set")
                if "BatonStoreSlow" in self.prometheus.firing():
                    break
            self.fires("BatonStoreSlow", timeout=10)
        self.store.process.send_signal(signal.SIGINT)
        self.store.process.wait(30)
        for _ in range(4):
            with contextlib.suppress(OSError):
                self.server.http_json(self.server.http, "/api/runs", {"workflow": "set", "input": {}}, timeout=2)
        self.fires("BatonStoreFails")
        self.fires("BatonPartitionsWithoutOwner")

    def test_a_broker_that_takes_nothing_and_one_that_is_gone(self):
        broker = baton.Server(env={"BATON_BROKER_MEMORY_HIGH_MIB": "64"}).start()
        self.addCleanup(broker.close)
        self.begin({"BATON_BROKER_URL": broker.env["BATON_AMQP"]}, [WORKFLOW.format(on_failure="fail")], broker.amqp)
        filling = fill(broker)
        self.start("watched", 1300)
        self.fires("BatonMessagesNotTaken")
        filling.close()
        broker.kill()
        self.fires("BatonBrokerAway")

    def test_each_panel_of_the_board_shows_something(self):
        board = json.loads(BOARD.read_text())
        expressions = {target["expr"] for panel in board["panels"] for target in panel.get("targets", [])}
        self.assertGreater(len(expressions), 20)
        self.begin(workflows=[WORKFLOW.format(on_failure="fail"), SET, NAP])
        self.start("set", 3)
        self.start("nap", 1)
        def missing():
            self.start("set")
            self.start("watched")
            with self.channel() as channel:
                method, properties, _ = self.take(channel)
                for kind in ("started", "completed"):
                    channel.basic_publish("", properties.reply_to, b"{}", pika.BasicProperties(
                        type=kind, correlation_id=properties.correlation_id, delivery_mode=2))
                channel.basic_ack(method.delivery_tag)
            if len(self.prometheus.ask("query", query='up{job="baton"}')["result"]) == 0:
                return expressions
            asked = lambda text: self.prometheus.ask("query", query=text.replace("$__rate_interval", "10s"))["result"]
            return {one for one in expressions if not asked(one)}
        self.start("watched", 2)
        self.fail(2)
        try:
            baton.wait_for(lambda: not missing(), "every panel", 60, pause=1)
        except AssertionError:
            self.assertEqual(missing(), set())


if __name__ == "__main__":
    unittest.main()
