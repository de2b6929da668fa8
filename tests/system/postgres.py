"""A PostgreSQL server of a test's own: a temporary folder, a free port on loopback, ended by its id.

PostgreSQL does not run as root, so when the tests do, its programs run as user postgres.
"""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import baton


def programs():
    for version in range(18, 12, -1):
        folder = pathlib.Path(f"/usr/lib/postgresql/{version}/bin")
        if (folder / "postgres").exists():
            return folder
    raise AssertionError("PostgreSQL is not installed; scripts/setup does it")


class Postgres:
    def __init__(self, is_durable=False):
        self.programs = programs()
        self.fsync = "on" if is_durable else "off"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-postgres-test-"))
        self.account = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.data = self.folder / "data"
        self.run("/bin/cp", "-a", self.seed(), self.data)
        [self.port] = baton.free_ports(1)
        self.is_frozen = False
        self.start()
        self.url = f"postgresql://baton@127.0.0.1:{self.port}/postgres"

    def seed(self):
        """What initdb makes, kept for all tests of this machine: a copy takes a fifth of its time."""
        kept = pathlib.Path(tempfile.gettempdir()) / f"baton-postgres-trust-{self.programs.parent.name}"
        if not (kept / "PG_VERSION").exists():
            made = self.folder / "seed"
            self.run(self.programs / "initdb", "-D", made, "-U", "baton", "--auth=trust", "--encoding=UTF8",
                     "--locale=C.UTF-8", "--no-sync")
            with contextlib.suppress(OSError):  # somebody else was faster
                made.rename(kept)
        return kept

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, "-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}",
                 "-c", f"unix_socket_directories={self.folder}", "-c", f"fsync={self.fsync}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self.account)
        baton.wait_for(self.is_ready, "PostgreSQL starts")

    def restart(self, is_hard=False):
        """An orderly restart, or one after every process of it was killed."""
        if is_hard:
            for pid in self.everybody():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def run(self, program, *args):
        done = subprocess.run([program, *args], capture_output=True, text=True, timeout=60, cwd="/",
                              **self.account)
        if done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}{done.stderr}")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "log").read_text())
        status = self.data / "postmaster.pid"
        return status.exists() and "\nready" in status.read_text()

    def everybody(self):
        """The server and its sessions."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def freeze(self):
        """Nothing answers any more, and every socket stays open: the kernel takes what is sent."""
        os.kill(self.process.pid, signal.SIGSTOP)  # first, so that nobody new comes
        for pid in self.everybody():
            os.kill(pid, signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self):
        for pid in self.everybody():
            with contextlib.suppress(ProcessLookupError):  # a session that ended meanwhile
                os.kill(pid, signal.SIGCONT)
        self.is_frozen = False

    def close(self):
        if self.is_frozen:
            self.thaw()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
