"""What containers and package are started with, without an engine: deploy/worker as the first process of a worker's
container, deploy/make-secrets, and systemd's units."""
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import tomllib
import unittest

import baton

DEPLOY = baton.ROOT / "deploy"


class Worker:
    """deploy/worker with the executable under test as `baton`."""

    def __init__(self, name, **variables):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-deploy-"))
        (self.home / "baton").symlink_to(baton.EXE)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("BATON_")}
        self.env = dict(kept, PATH=f"{self.home}:{os.environ['PATH']}", WORKER_STATE=str(self.home / "state"), BROKER_HOST="127.0.0.1",
                        **variables)
        self.log_path = self.home / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([DEPLOY / "worker", name], env=self.env, stdout=log, stderr=log, cwd=self.home)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def health(self):
        done = subprocess.run([DEPLOY / "worker", "--healthy"], env=self.env, capture_output=True, text=True)
        return done.returncode, done.stdout.strip()

    def stop(self):
        """How many seconds it took, and the exit code."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        return time.monotonic() - begun, code

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        shutil.rmtree(self.home)


class ContainerOfAWorker(unittest.TestCase):
    def worker(self, name, **variables):
        worker = Worker(name, **variables)
        self.addCleanup(worker.close)
        return worker

    def test_a_worker_without_a_target_waits_and_says_for_what(self):
        for name, missing in (("mail", "BATON_MAILCOW_URL"), ("redmine", "BATON_REDMINE_URL"), ("slack", "BATON_SLACK_TOKEN")):
            worker = self.worker(name, BATON_BROKER_URL="amqp://worker:x@127.0.0.1:1/")
            baton.wait_for(lambda: "waits" in worker.log(), "it says that it waits")
            self.assertIn(missing, worker.log())
            self.assertIsNone(worker.process.poll())
            self.assertEqual(worker.health(), (0, "waits: its target is not set"))
            seconds, code = worker.stop()
            self.assertEqual(code, 0, worker.log())
            self.assertLess(seconds, 5)

    def test_the_executable_itself_tells_unset_from_wrong(self):
        bare = {key: value for key, value in os.environ.items() if not key.startswith("BATON_")}
        for names, more, code in ((["http"], {}, 4), (["exec", "mail"], {}, 4), (["mail"], {"BATON_SMTP_URL": "smtp://127.0.0.1"}, 2),
                                  (["mail"], {"BATON_MAIL_DB_URL": "mysql://host/db"}, 2), (["redmine"], {"BATON_REDMINE_KEY": "unused"}, 4),
                                  (["nobody"], {}, 2)):
            done = subprocess.run([baton.EXE, "worker", *names], env=dict(bare, **more), capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, (names, more, done.stderr))
            self.assertTrue(done.stderr)

    def test_wrong_settings_are_not_well(self):
        worker = self.worker("redmine", BATON_BROKER_URL="amqp://worker:x@127.0.0.1:1/", BATON_REDMINE_URL="https://redmine.example.org")
        baton.wait_for(lambda: "waits" in worker.log(), "it says that it waits")
        self.assertIn("BATON_REDMINE_KEY", worker.log())
        self.assertEqual(worker.health()[0], 1)

    def test_a_worker_is_well_with_its_server_and_while_it_waits_for_it(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        server.deploy('workflow = "one"\n[[step]]\nid = "comment"\ntask = "redmine.comment"\nwith = { issue = 1, text = "x" }\n')
        worker = self.worker("redmine", BATON_BROKER_URL=server.env["BATON_AMQP"], BROKER_PORT=str(server.amqp),
                             BATON_REDMINE_URL="http://127.0.0.1:9", BATON_REDMINE_KEY="key")
        baton.wait_for(lambda: "ready" in worker.log(), "the worker is connected")
        self.assertEqual(worker.health(), (0, ""))
        server.kill()
        baton.wait_for(lambda: "no connection to the broker" in worker.log(), "the worker has noticed")
        for _ in range(10):
            self.assertEqual(worker.health(), (0, "waits for the server"))
        # It goes on trying, and is found well again.
        server.start()
        baton.wait_for(lambda: worker.health() == (0, ""), "the worker is back")
        server.kill()
        baton.wait_for(lambda: worker.health() == (0, "waits for the server"), "the worker has noticed again")
        seconds, code = worker.stop()
        self.assertEqual(code, 0, worker.log())
        self.assertLess(seconds, 5)


class SilentNames(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "only root may have a resolv.conf of his own")
    def test_a_worker_stops_at_once_while_its_name_server_is_silent(self):
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.77", 53))
        folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-silent-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.77\noptions timeout:20 attempts:1\n")
        env = {key: value for key, value in os.environ.items() if not key.startswith("BATON_")}
        env.update(BATON_BROKER_URL="amqp://w:x@broker.nowhere.example/", BATON_REDMINE_URL="http://127.0.0.1:9", BATON_REDMINE_KEY="k")
        inside = 'mount --bind "$1" /etc/resolv.conf && exec "$2" worker redmine'
        worker = subprocess.Popen(["unshare", "-m", "sh", "-c", inside, "sh", folder / "resolv.conf", baton.EXE], env=env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            silent.settimeout(20)
            silent.recvfrom(512)  # it asks, and waits for an answer
            begun = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(worker.wait(30), 0)
            self.assertLess(time.monotonic() - begun, 4)
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


class FormerMail(unittest.TestCase):
    def test_only_mail_of_mailboxes_that_are_no_more_is_moved(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-former-"))
        self.addCleanup(shutil.rmtree, folder)
        root, former = folder / "vmail", folder / "former"
        old = time.time() - 3 * 86400
        for name in ("example.org/ada-0123456789", "example.org/bob-abcdef0123", "example.org/new-ffffffffff", "example.org/eve",
                     "example.org/o'brien x-00000000aa"):
            (root / name / "Maildir" / "cur").mkdir(parents=True)
            (root / name / "Maildir" / "cur" / "letter").write_text("secret")
            if "new" not in name:
                for path in [*sorted((root / name).rglob("*"), reverse=True), root / name]:
                    os.utime(path, (old, old))

        def run(living, **env):
            return subprocess.run([DEPLOY / "mail" / "archive-former-mail", root, former], input=living, env=dict(os.environ, **env),
                                  capture_output=True, text=True)
        self.assertEqual(run("").returncode, 1, "a question that failed moves nothing")
        done = run("example.org/ada-0123456789/\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()), ["moved example.org/bob-abcdef0123", "moved example.org/o'brien x-00000000aa"])
        self.assertEqual(sorted(path.name for path in (root / "example.org").iterdir()), ["ada-0123456789", "eve", "new-ffffffffff"])
        [moved] = former.rglob("bob-abcdef0123/Maildir/cur/letter")
        self.assertEqual(moved.read_text(), "secret")
        day = next(former.iterdir())
        os.utime(day, (old, old))
        run("example.org/ada-0123456789/\n", DAYS="1")
        self.assertFalse(day.exists())


class Secrets(unittest.TestCase):
    def test_each_secret_of_the_compose_file_is_made_once_and_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            secrets = pathlib.Path(folder) / "secrets"
            make = [DEPLOY / "make-secrets"]
            env = dict(os.environ, BATON_SECRETS=str(secrets))
            subprocess.run(make, env=env, check=True, capture_output=True)
            named = set(re.findall(r"BATON_SECRETS:-./secrets}/(\w+)", (baton.ROOT / "compose.yaml").read_text()))
            self.assertEqual(named, {path.name for path in secrets.iterdir()})
            self.assertEqual(stat.S_IMODE(secrets.stat().st_mode), 0o700)
            password = (secrets / "worker_password").read_text()
            self.assertEqual((secrets / "worker_broker_url").read_text(), f"amqp://worker:{password}@baton:5672/")
            self.assertGreaterEqual(len(password), 32)
            before = {path.name: path.read_text() for path in secrets.iterdir()}
            self.assertEqual(subprocess.run(make, env=env, check=True, capture_output=True, text=True).stdout, "")
            self.assertEqual(before, {path.name: path.read_text() for path in secrets.iterdir()})


class Users(unittest.TestCase):
    def test_a_worker_may_the_same_in_the_package_as_in_containers(self):
        workers = []
        for file in (DEPLOY / "baton.toml", DEPLOY / "debian" / "baton.toml"):
            users = tomllib.loads(file.read_text())["broker"]["user"]
            workers.append([{key: user[key] for key in ("tags", "permissions")} for user in users if user["name"] == "worker"])
            self.assertEqual([user["name"] for user in users], ["admin", "worker"])
        self.assertEqual(workers[0], workers[1])


class Units(unittest.TestCase):
    def test_every_secret_a_unit_hands_over_is_made_at_installation(self):
        """A credential whose file is missing would keep the service from starting."""
        debian = DEPLOY / "debian"
        wanted = set()
        for unit in (*debian.glob("*.service"), *debian.glob("secrets-*.conf")):
            wanted |= set(re.findall(r"^LoadCredential=\w+:/etc/baton/secrets/(\w+)$", unit.read_text(), re.MULTILINE))
        installed = (debian / "postinst").read_text()
        made = set(re.findall(r"\bput (\w+)", installed)) | set(re.search(r"for name in ([\w ]+); do", installed)[1].split())
        self.assertGreaterEqual(len(wanted), 8)
        self.assertEqual(wanted - made, set())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd here")
    def test_the_units_are_hardened(self):
        for unit in ("baton.service", "baton-worker@.service"):
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=30", DEPLOY / "debian" / unit],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout[-200:] + done.stderr)


if __name__ == "__main__":
    unittest.main()
