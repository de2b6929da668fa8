"""`baton backup` while runs go on and `baton restore` elsewhere: every run that was acknowledged before the
backup is there and completes, each transition once; and what is refused, with its exit code."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import pika

import baton
import house
import postgres

WORKFLOW = """
workflow = "steps"
[input]
n = { type = "integer", required = true }
[[step]]
id = "a"
task = "backup.step"
with = { n = "${input.n}" }
[[step]]
id = "b"
task = "backup.step"
with = { n = "${input.n}" }
[[step]]
id = "c"
task = "backup.step"
with = { n = "${input.n}" }
"""
ROUTE = "baton.task.backup.step"
# Kills the process before its KILL_ATth change of a folder.
KILLER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static int calls;
static void count(void) {
    const char* at = getenv("KILL_AT");
    if (at && ++calls == atoi(at)) kill(getpid(), SIGKILL);
}
int rename(const char* from, const char* to) {
    int (*real)(const char*, const char*) = dlsym(RTLD_NEXT, "rename");
    count();
    return real(from, to);
}
int fsync(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    count();
    return real(file);
}
int mkdir(const char* path, mode_t mode) {
    int (*real)(const char*, mode_t) = dlsym(RTLD_NEXT, "mkdir");
    count();
    return real(path, mode);
}
"""
# A file system whose server is away: whoever makes a file below HANG_UNDER does not come back.
HANGER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static int make(const char* name, const char* path, int flags, mode_t mode) {
    int (*real)(const char*, int, ...) = dlsym(RTLD_NEXT, name);
    const char* under = getenv("HANG_UNDER");
    while (under && (flags & O_CREAT) && strncmp(path, under, strlen(under)) == 0) pause();
    return real(path, flags, mode);
}
#define MAKE(name) \
    int name(const char* path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        const mode_t mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
        va_end(rest); \
        return make(#name, path, flags, mode); \
    }
MAKE(open)
MAKE(open64)
"""


class Worker:
    """Does each task on a thread, one at a time: report, confirm, acknowledge."""

    def __init__(self, url, pause=0.0):
        self.url, self.pause, self.done = url, pause, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)

    def run(self):
        while not self.stopping.is_set():
            try:
                self.work()
            except pika.exceptions.AMQPError:
                time.sleep(0.1)

    def work(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=1)
            for method, properties, body in channel.consume(ROUTE, inactivity_timeout=0.1):
                if self.stopping.is_set():
                    return
                if method is None:
                    continue
                time.sleep(self.pause)
                channel.basic_publish("", properties.reply_to, b"{}", pika.BasicProperties(
                    correlation_id=properties.correlation_id, type="completed", delivery_mode=2))
                channel.basic_ack(method.delivery_tag)
                self.done += 1
        finally:
            if connection.is_open:
                connection.close()


class Folder:
    """A place for backups outside of any server's folder."""

    def __init__(self, test):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="baton-backup-"))
        test.addCleanup(shutil.rmtree, self.path, True)


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(self).path

    def serve(self, env=None):
        return self.fresh(env).start()

    def fresh(self, env=None, outside=None):
        server = baton.Server(env=env)
        self.addCleanup(server.close)
        if outside:
            server.amqp = outside.amqp
            server.env["BATON_BROKER_URL"] = outside.url
        return server

    def deploy(self, server):
        path = server.home / "steps.toml"
        path.write_text(WORKFLOW)
        server.baton("deploy", str(path), check=0)

    @staticmethod
    def run_one(server, n):
        return server.http_json(server.http, "/api/runs", {"workflow": "steps", "input": {"n": n}})["run"]

    def restored(self, backup, env=None, outside=None):
        """A server of its own over what `baton restore` made of the backup."""
        server = self.fresh(env, outside)
        server.baton("restore", str(backup), check=0)
        return server.start()

    def assert_complete(self, server, runs):
        """All of these runs, and whatever else is there, complete, each step once."""
        def open_runs():
            return [run["id"] for run in server.http_json(server.http, "/api/runs?limit=1000") if run["closed_at"] is None]
        baton.wait_for(lambda: not open_runs(), "all runs are closed", 90, pause=0.2)
        there = {run["id"]: run["status"] for run in server.http_json(server.http, "/api/runs?limit=1000")}
        self.assertEqual([run for run in runs if there.get(run) != "completed"], [])
        for run in runs:
            details = server.http_json(server.http, "/api/runs/" + run)
            done = [fact["step"] for row in details["history"] for fact in row["facts"] if fact["fact"] == "task_completed"]
            self.assertEqual(sorted(done), ["a", "b", "c"], run)

    def test_backups_while_runs_go_on_restore_elsewhere(self):
        server = self.serve()
        self.deploy(server)
        # Something for the copy of the journal to last a moment.
        connection = pika.BlockingConnection(pika.URLParameters(server.env["BATON_AMQP"]))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("ballast", durable=True)
        for _ in range(400):
            channel.basic_publish("", "ballast", b"x" * 60_000, pika.BasicProperties(delivery_mode=2))
        connection.close()
        started = []
        backups = []
        with Worker(server.env["BATON_AMQP"]), Worker(server.env["BATON_AMQP"], pause=0.05):
            with house.Repeatedly(lambda: started.append(self.run_one(server, len(started))), 0.01) as starting:
                for number in range(3):
                    baton.wait_for(lambda: len(started) > 15 * (number + 1), "runs go on")
                    promised = list(started)
                    folder = self.folder / str(number)
                    server.baton("backup", str(folder), check=0)
                    backups.append((folder, promised))
                server.kill()
            del starting
        self.assertGreater(len(started), len(backups[-1][1]), "nothing began during the last backup")

        for folder, promised in backups:
            with self.subTest(folder=folder.name):
                again = self.restored(folder)
                with Worker(again.env["BATON_AMQP"]):
                    self.assert_complete(again, promised)
                    self.assertIn("400", again.baton("ctl", "list_queues", "name", "messages", check=0).stdout)
                again.close()

    def test_what_stands_against_it_is_refused(self):
        server = self.serve()
        self.deploy(server)
        run = self.run_one(server, 1)
        used = self.folder / "used"
        used.mkdir()
        (used / "file").write_text("somebody's")
        for folder in (used, server.home / "data" / "inside", used / "file"):
            refused = server.baton("backup", str(folder))
            self.assertIn(refused.returncode, (1, 2), refused.stderr)
            self.assertNotIn("is it Baton", refused.stderr)
        backup = self.folder / "good"
        report = json.loads(server.baton("backup", str(backup), "--json", check=0).stdout)
        self.assertGreater(report["journal_bytes"], 0)
        self.assertGreater(report["runs_bytes"], 0)
        self.assertEqual([path.name for path in backup.rglob("*") if path.stat().st_mode & 0o077], [])

        self.assertIn("in use by another server", server.baton("restore", str(backup), check=2).stderr)
        server.stop()
        self.assertIn("--replace", server.baton("restore", str(backup), check=2).stderr)
        self.assertIn("no whole backup", server.baton("restore", str(used), check=2).stderr)
        self.damaged(server, backup)
        before = sorted(path.name for path in (server.home / "data").iterdir())
        done = server.baton("restore", str(backup), "--replace", check=0)
        moved = next((server.home / "data").glob("replaced-*"))
        self.assertIn(str(moved.name), done.stdout)
        self.assertEqual(sorted(path.name for path in moved.iterdir()), sorted(set(before) - {"baton.lock"}))
        server.start()
        with Worker(server.env["BATON_AMQP"]):
            self.assert_complete(server, [run])

    def damaged(self, server, backup):
        """Each file of the backup, changed by one byte, cut or gone: refused, and nothing is touched."""
        files = [backup / "runs.sqlite", *sorted((backup / "journal").iterdir())]
        before = self.state(server.home / "data")
        for file in files:
            good = file.read_bytes()
            middle = len(good) // 2
            for bad in (good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:], good[:-1], None):
                file.unlink()
                if bad is not None:
                    file.write_bytes(bad)
                refused = server.baton("restore", str(backup), "--replace", check=1)
                self.assertIn(file.name, refused.stderr)
                file.write_bytes(good)
        self.assertEqual(self.state(server.home / "data"), before)

    @staticmethod
    def state(folder):
        return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
                if path.name != "baton.lock"}

    def made_backup(self, **env):
        """A stopped server with a run and a message, its backup, and a run that was started behind it."""
        server = self.serve(env)
        self.deploy(server)
        run = self.run_one(server, 1)
        backup = self.folder / "backup"
        server.baton("backup", str(backup), check=0)
        late = self.run_one(server, 2)
        server.stop()
        return server, backup, run, late

    def test_a_stop_does_not_wait_for_a_file_system_that_hangs(self):
        hangs = self.folder / "hangs"
        server = self.serve(baton.preloaded(self.folder, HANGER, HANG_UNDER=str(hangs)))
        self.deploy(server)
        run = self.run_one(server, 1)
        asking = subprocess.Popen([baton.EXE, "backup", str(hangs)], env={**server.env, "LD_PRELOAD": ""},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(asking.kill)
        baton.wait_for(lambda: (hangs / "journal").is_dir(), "the backup has begun")
        time.sleep(0.5)
        self.assertIsNone(asking.poll())
        began = time.monotonic()
        server.process.terminate()
        self.assertEqual(server.process.wait(30), 0)
        self.assertLess(time.monotonic() - began, 10)
        self.assertNotEqual(asking.wait(20), 0)
        self.assertIn("it is left behind", server.log())
        # Everything else was stopped as always.
        del server.env["LD_PRELOAD"]
        server.start()
        with Worker(server.env["BATON_AMQP"]):
            self.assert_complete(server, [run])

    def runs_of(self, server):
        return {run["id"] for run in server.http_json(server.http, "/api/runs?limit=1000")}

    def test_a_restore_that_is_killed_anywhere_leaves_all_or_a_folder_that_does_not_start(self):
        folder = self.folder / "elsewhere"
        folder.mkdir()
        server, backup, run, late = self.made_backup(BATON_DB_URL=f"sqlite:{folder}/runs.sqlite")
        killer = baton.preloaded(self.folder, KILLER)
        kept = self.folder / "kept"
        shutil.copytree(server.home / "data", kept / "data")
        shutil.copytree(folder, kept / "runs")
        seen = set()
        for calls in range(1, 40):
            for what, place in (("data", server.home / "data"), ("runs", folder)):
                shutil.rmtree(place)
                shutil.copytree(kept / what, place)
            env = dict(server.env, **killer, KILL_AT=str(calls))
            done = subprocess.run([baton.EXE, "restore", str(backup), "--replace"], env=env, capture_output=True, text=True, timeout=60)
            if done.returncode == 0:
                break
            self.assertEqual(done.returncode, -9, done.stderr)
            half = (server.home / "data" / "restore.unfinished").exists()
            seen.add(half)
            if half:
                refused = server.baton("serve", check=2)
                self.assertIn("was broken off", refused.stderr)
                self.assertIn(f"baton restore {backup}", refused.stderr)
                server.baton("restore", str(backup), check=0)
            server.start()
            self.assertIn(self.runs_of(server), [{run}] if half else [{run, late}, {run}], calls)
            self.assertIn("backup.step", server.baton("ctl", "list_queues", check=0).stdout)
            server.kill()
        else:
            self.fail("it makes more calls than are tried")
        self.assertEqual(seen, {True, False}, "both sides of the marker were hit")

    def test_a_full_disk_changes_nothing(self):
        if os.geteuid() != 0:
            self.skipTest("a file system cannot be mounted")
        server, backup, run, late = self.made_backup()
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("a file system cannot be mounted")
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)])
        data = disk / "data"
        shutil.copytree(server.home / "data", data)
        server.env["BATON_DATA"] = str(data)
        before = self.state(data)
        space = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize - 40_000))
        refused = server.baton("restore", str(backup), "--replace", check=1)
        self.assertIn("No space left on device; nothing was changed", refused.stderr)
        self.assertEqual(self.state(data), before)
        (disk / "filler").unlink()
        server.start()
        self.assertEqual(self.runs_of(server), {run, late})
        server.stop()
        server.baton("restore", str(backup), "--replace", check=0)
        server.start()
        self.assertEqual(self.runs_of(server), {run})

    def test_runs_in_another_file_system_are_moved_aside_there(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-test-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, folder, True)
        server, backup, run, _ = self.made_backup(BATON_DB_URL=f"sqlite:{folder}/runs.sqlite")
        self.assertNotEqual(folder.stat().st_dev, server.home.stat().st_dev, "the same file system: nothing is tested")
        said = server.baton("restore", str(backup), "--replace", check=0).stdout
        [moved] = folder.glob("runs.sqlite.replaced-*[0-9]")
        self.assertIn(f"the former runs are in {moved}", said)
        server.start()
        self.assertEqual(self.runs_of(server), {run})

    def test_a_backup_needs_an_administrator(self):
        server = self.serve({"BATON_BROKER_USERS": "guest:guest,ops[baton-operator+baton-deployer]:ops,chief[baton-admin]:chief"})
        for user, code in (("ops", 1), ("chief", 0)):
            done = subprocess.run([baton.EXE, "backup", str(self.folder / user)], capture_output=True, text=True, timeout=60,
                                  env=dict(server.env, BATON_USER=user, BATON_PASSWORD=user))
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertFalse((self.folder / "ops").exists())
        server.stop()
        self.assertEqual(server.baton("backup", str(self.folder / "late")).returncode, 3)

    def test_runs_in_postgresql_are_dumped_behind_it(self):
        database = postgres.Postgres()
        self.addCleanup(database.close)
        server = self.serve({"BATON_DB_URL": database.url})
        self.deploy(server)
        early = self.dump(database)
        started = []
        with Worker(server.env["BATON_AMQP"]), house.Repeatedly(
                lambda: started.append(self.run_one(server, len(started))), 0.01):
            baton.wait_for(lambda: len(started) > 20, "runs go on")
            promised = list(started)
            said = server.baton("backup", str(self.folder / "backup"), check=0).stdout
            dump = self.dump(database)
            server.kill()
        self.assertIn("pg_dump", said)
        self.assertFalse((self.folder / "backup" / "runs.sqlite").exists())

        other = postgres.Postgres()
        self.addCleanup(other.close)
        self.load(other, early)
        fresh = self.fresh({"BATON_DB_URL": other.url})
        self.assertIn("older", fresh.baton("restore", str(self.folder / "backup"), check=1).stderr)
        other.run("psql", "-q", "-d", other.url, "-c", "drop schema public cascade; create schema public")
        self.load(other, dump)
        again = self.restored(self.folder / "backup", {"BATON_DB_URL": other.url})
        with Worker(again.env["BATON_AMQP"]):
            self.assert_complete(again, promised)

    def dump(self, database):
        done = subprocess.run([database.programs / "pg_dump", database.url], capture_output=True, timeout=60, check=True)
        return done.stdout

    def load(self, database, dump):
        subprocess.run([database.programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url], input=dump,
                       capture_output=True, timeout=60, check=True)

    def test_with_an_outside_broker_open_tasks_are_sent_again(self):
        outside = baton.BrokerAlone()
        self.addCleanup(outside.close)
        server = self.fresh(outside=outside).start()
        self.deploy(server)
        run = self.run_one(server, 1)
        said = server.baton("backup", str(self.folder / "backup"), check=0).stdout
        self.assertIn("outside broker", said)
        # What was done after the backup is not known to it: the broker has no message for it any more.
        with Worker(outside.url):
            self.assert_complete(server, [run])
        server.kill()

        self.assertIn("BATON_BROKER_URL", self.fresh().baton("restore", str(self.folder / "backup"), check=2).stderr)
        again = self.restored(self.folder / "backup", outside=outside)
        self.assertEqual(again.http_json(again.http, "/api/runs/" + run)["closed_at"], None)
        with Worker(outside.url):
            self.assert_complete(again, [run])


if __name__ == "__main__":
    unittest.main()
