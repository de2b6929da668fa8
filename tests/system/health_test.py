"""What /api/health says while something is really broken: which part, in words, and whether runs go on."""
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error

import pika

import baton
import postgres

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import brokers  # noqa: E402 - lives beside the conformance tests

PARTS = {"store", "broker", "disk", "outbox", "partitions", "workers", "runs", "workflows"}
SET = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'
TASK = 'workflow = "two"\n[[step]]\nid = "a"\ntask = "health.one"\n'


# A network share: while the marker is there, its server is away.
SHARE = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static void hang(const char* path) {
    const char* share = getenv("SHARE");
    int (*is_there)(const char*, int) = dlsym(RTLD_NEXT, "access");
    while (share && path && strncmp(path, share, strlen(share)) == 0 && is_there(getenv("SHARE_IS_AWAY"), F_OK) == 0) usleep(10000);
}
#define FOLLOW(answer, name, parameters, given) \\
    answer name parameters { \\
        answer(*real) parameters = dlsym(RTLD_NEXT, #name); \\
        hang(path); \\
        return real given; \\
    }
FOLLOW(DIR*, opendir, (const char* path), (path))
FOLLOW(int, stat, (const char* restrict path, struct stat* restrict found), (path, found))
FOLLOW(int, lstat, (const char* restrict path, struct stat* restrict found), (path, found))
#define OPEN(name, parameters, given) \\
    int name parameters { \\
        va_list rest; \\
        va_start(rest, flags); \\
        const mode_t mode = flags & O_CREAT ? va_arg(rest, int) : 0; \\
        va_end(rest); \\
        int(*real) parameters = dlsym(RTLD_NEXT, #name); \\
        hang(path); \\
        return real given; \\
    }
OPEN(open, (const char* path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char* path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char* path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char* path, int flags, ...), (at, path, flags, mode))
"""


class HealthTest(unittest.TestCase):
    def begin(self, env=None, wrap=(), amqp=None):
        self.server = baton.Server(env=env, wrap=wrap)
        self.addCleanup(self.server.close)
        self.server.amqp = amqp or self.server.amqp
        return self.server.start()

    def health(self, server=None):
        """HTTP status and answer."""
        server = server or self.server
        try:
            return 200, server.http_json(server.http, "/api/health", timeout=10)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())

    def await_part(self, name, state, words="", timeout=45, server=None):
        """Until this part, and no other, is in trouble."""
        seen = []

        def is_so():
            status, answer = self.health(server)
            seen[:] = [status, answer]
            return answer.get(state) == [name] and ("degraded" if state == "failing" else "failing") not in answer
        try:
            baton.wait_for(is_so, name, timeout)
        except AssertionError as late:
            raise AssertionError(f"{late}: {seen}\n{self.server.log()[-2000:]}") from None
        status, answer = seen
        self.assertEqual((status, answer["status"]), (503 if state == "failing" else 200, state))
        self.assertEqual(set(answer["parts"]), PARTS)
        self.assertIn(words, answer["parts"][name])
        self.assertEqual({one for one, text in answer["parts"].items() if text != "ok"}, {name})

    def test_a_folder_of_workflows_that_hangs_keeps_neither_start_nor_health_nor_stop(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-share-"))
        self.addCleanup(shutil.rmtree, folder)
        share, away = folder / "share", folder / "away"
        share.mkdir()
        away.write_text("")
        (share / "one.toml").write_text(SET)
        env = baton.preloaded(folder, SHARE, SHARE=str(share), SHARE_IS_AWAY=str(away), BATON_WORKFLOWS=str(share))
        server = self.begin(env=env)
        self.assertIn("the folder does not answer", server.log())
        self.await_part("workflows", "degraded", "has not answered for")
        server.deploy(TASK)  # everything else works
        began = time.monotonic()
        server.process.terminate()
        self.assertEqual(server.process.wait(30), 0, server.log()[-2000:])
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn("is left behind", server.log())

        # It answers late: then what lies there is deployed.
        server.start()
        away.unlink()
        baton.wait_for(lambda: server.baton("run", "one").returncode == 0, "the workflow is there")
        self.await_well()
        self.assertEqual(server.stop(), 0)

    def await_well(self, timeout=45):
        baton.wait_for(lambda: self.health()[1]["status"] == "ok", "all is well", timeout)

    def deploy(self, source, server=None):
        server = server or self.server
        server.http_json(server.http, "/api/workflows", {"source": source, "file": "w.toml"})

    def start(self, workflow, server=None):
        server = server or self.server
        return server.http_json(server.http, "/api/runs", {"workflow": workflow, "input": {}})["run"]

    def channel(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        return connection.channel()

    def test_all_parts_are_named_when_all_is_well(self):
        self.begin()
        status, answer = self.health()
        self.assertEqual((status, answer), (200, {"status": "ok", "parts": dict.fromkeys(PARTS, "ok")}))

    def test_tasks_that_nobody_takes_are_named_until_somebody_does(self):
        self.begin()
        self.deploy(TASK)
        self.start("two")
        self.await_part("workers", "degraded", "health.one")
        self.assertTrue(self.server.is_healthy(), "other runs go on")
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("baton.task.health.one", lambda *_: None)
        self.await_well()

    def test_a_queue_that_cannot_be_made_is_named(self):
        self.begin()
        channel = self.channel()
        channel.queue_declare("baton.task.health.one", durable=False, exclusive=True)
        self.deploy(TASK)
        self.await_part("workers", "degraded", "there is no queue for health.one")

    def test_a_deleted_queue_is_back_and_all_is_well(self):
        self.begin()
        self.deploy(TASK)
        self.channel().queue_delete("baton.task.health.one")
        channel = self.channel()

        def is_back():
            nonlocal channel
            if channel.is_closed:
                channel = self.channel()
            try:
                return channel.queue_declare("baton.task.health.one", passive=True)
            except pika.exceptions.ChannelClosedByBroker:
                return None
        baton.wait_for(is_back, "the queue is back")
        self.await_well()

    def test_a_store_that_refuses_is_failing_until_it_takes(self):
        self.begin()
        self.deploy(SET)
        database = self.server.home / "data" / "baton.sqlite"
        with sqlite3.connect(database) as rows:
            rows.execute("alter table history rename to elsewhere")
        asking = threading.Thread(target=self.try_to_start, daemon=True)
        asking.start()
        self.await_part("store", "failing", "cannot be stored")
        with sqlite3.connect(database) as rows:
            rows.execute("alter table elsewhere rename to history")
        self.await_well()
        asking.join(60)

    def try_to_start(self):
        try:
            self.start("one")
        except OSError:
            pass  # late, or the server has stopped

    def test_a_postgresql_that_has_stopped_is_failing(self):
        store = postgres.Postgres()
        self.addCleanup(store.close)
        suppressions = store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        self.begin({"BATON_DB_URL": store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"})
        store.process.send_signal(2)
        store.process.wait(20)
        self.await_part("store", "failing")

    def test_a_second_server_on_the_same_database_is_named(self):
        store = postgres.Postgres()
        self.addCleanup(store.close)
        suppressions = store.folder / "leaks"
        suppressions.write_text("leak:libpqxx\n")
        env = {"BATON_DB_URL": store.url, "LSAN_OPTIONS": f"suppressions={suppressions}"}
        self.begin(env)
        self.deploy(SET)
        other = baton.Server(env=env).start(healthy=False)
        self.addCleanup(other.close)
        # Tasks would go to two brokers: the second one takes no run, and says so.
        self.await_part("partitions", "failing", "another server with a broker", server=other)
        self.start("one")
        self.await_well()

    def test_a_rabbitmq_that_has_stopped_is_failing_until_it_is_back(self):
        with brokers.start("rabbitmq") as node:
            self.begin({"BATON_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{node.port}/"}, amqp=node.port)
            node.ctl("stop_app")
            self.await_part("broker", "failing")
            node.ctl("start_app")
            self.await_well(90)

    def test_a_full_disk_is_failing_until_there_is_room(self):
        data = "mkdir -p \"$BATON_DATA\" && mount -t tmpfs -o size=900m none \"$BATON_DATA\" && exec \"$@\""
        wrap = ["unshare", "-rm", "sh", "-c", data, "sh"]
        if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
            self.skipTest("no mounts for us here")
        self.begin(wrap=wrap)
        self.await_well()
        folder = pathlib.Path(f"/proc/{self.server.process.pid}/root{self.server.env['BATON_DATA']}")
        ballast = folder / "ballast"
        for left, state in ((150, "degraded"), (30, "failing")):
            with self.subTest(left=left):
                with open(ballast, "ab") as file:
                    file.write(bytes(shutil.disk_usage(folder).free - (left << 20)))
                self.await_part("disk", state, "MiB are free")
        ballast.unlink()
        self.await_well()


if __name__ == "__main__":
    unittest.main()
