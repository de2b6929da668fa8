"""A server with little memory, and clients who take all of it. Under a control group of so many MiB the kernel ends
whoever uses more; under `prlimit --as` the C++ library says no in the middle of something. Large runs, requests and
messages that never end, transactions that stay open, queues and messages without number, one after the other and all
at once: the process is the same afterwards, and whoever asks for little is served meanwhile.
    python3 tests/system/memory_trial.py [MIB...]        (256 512 of a group, and 3072 of address space); a group as root
Exit code 0 when nothing was found. For an executable without sanitizers, which use memory of their own.
"""
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import baton
import raw

GROUPS = pathlib.Path("/sys/fs/cgroup/memory")  # version 1; of version 2 the same files have other names
ONE = 'workflow = "one"\n[[step]]\nid = "a"\nset = { x = 1 }\n'
LARGE = 'workflow = "large"\n[vars]\nx = "' + "y" * 500_000 + '"\n' + "".join(
    f'[[step]]\nid = "s{i}"\nset = {{ v = "${{vars.x + vars.x + vars.x + vars.x}}" }}\n' for i in range(700))
# Each waits with what it holds: eviction, not the end, makes room.
WAITING = 'workflow = "waiting"\n[vars]\nx = "' + "z" * 500_000 + '"\n' + "".join(
    f'[[step]]\nid = "s{i}"\nset = {{ v = "${{vars.x}}" }}\n' for i in range(16)) + '[[step]]\nid = "w"\nwait = "1h"\n'


class Group:
    """A control group of its own for one process."""

    def __init__(self, mib):
        self.mib = mib
        self.is_second = not GROUPS.exists()
        parent = pathlib.Path("/sys/fs/cgroup") if self.is_second else GROUPS
        self.path = parent / f"baton-trial-{os.getpid()}-{mib}"
        self.path.mkdir()
        (self.path / ("memory.max" if self.is_second else "memory.limit_in_bytes")).write_text(str(mib << 20))
        if self.is_second:
            (self.path / "memory.swap.max").write_text("0")

    def wrap(self):
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def most(self):
        with contextlib.suppress(OSError):
            return int((self.path / ("memory.peak" if self.is_second else "memory.max_usage_in_bytes")).read_text()) >> 20
        return None

    def close(self):
        with contextlib.suppress(OSError):
            self.path.rmdir()


class AddressSpace:
    def __init__(self, mib):
        self.mib = mib

    def wrap(self):
        return ["prlimit", f"--as={self.mib << 20}"]

    def most(self):
        return None

    def close(self):
        pass


def what_keeps_groups_away():
    """Empty: nothing."""
    try:
        Group(64).close()
    except OSError as error:
        return f"no control group can be made: {error}"
    return ""


class Trial:
    def __init__(self, limit, scale=1.0):
        self.limit, self.scale = limit, scale
        self.found = []
        self.slowest = 0.0
        self.open = []  # sockets that stay
        self.server = baton.Server(wrap=limit.wrap())

    def run(self, kinds=None):
        try:
            self.server.start()
            self.pid = self.server.process.pid
            for source in (ONE, LARGE, WAITING):
                self.ask("/api/workflows", {"source": source, "file": "w.toml"})
            watching = threading.Event()
            watcher = threading.Thread(target=self.watch, args=(watching,))
            watcher.start()
            for kind in kinds or self.KINDS:
                before = time.monotonic()
                kind(self)
                self.look(kind.__name__, time.monotonic() - before)
            if not kinds:
                attacks = [threading.Thread(target=self.try_out, args=(kind,)) for kind in self.KINDS]
                for attack in attacks:
                    attack.start()
                for attack in attacks:
                    attack.join()
                self.look("all at once", 0)
            watching.set()
            watcher.join()
            self.hang_up()
            self.come_back()
        finally:
            self.hang_up()
            self.server.close()
            self.limit.close()
        return self.found

    def try_out(self, kind):
        with contextlib.suppress(OSError, ConnectionError):
            kind(self)

    def complain(self, text):
        self.found.append(f"{type(self.limit).__name__} of {self.limit.mib} MiB: {text}")

    def ask(self, path, body=None, timeout=60):
        return self.server.http_json(self.server.http, path, body, timeout=timeout)

    def look(self, kind, seconds):
        code = self.server.process.poll()
        if code is not None:
            self.complain(f"{kind}: the server ended with {code}: {self.server.log()[-1500:]}")
            raise SystemExit(self.report())
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        rss, peak = (int(status.split(name)[1].split()[0]) >> 10 for name in ("VmRSS:", "VmHWM:"))
        print(f"  {kind:24} {seconds:5.1f} s, {rss} MiB resident, {peak} at most, slowest answer {self.slowest:.1f} s", flush=True)

    def watch(self, is_over):
        """Somebody who wants little, all the time: a run, and a message to himself."""
        while not is_over.wait(0.5):
            began = time.monotonic()
            try:
                run = self.ask("/api/runs", {"workflow": "one", "input": {}})["run"]
                baton.wait_for(lambda: self.ask("/api/runs/" + run)["closed_at"], "a small run ends", 60)
                client = raw.Client(self.server.amqp, 60).log_in().open_channel().declare("mine").consume("mine")
                client.close()
            except (OSError, AssertionError, ConnectionError, KeyError) as error:
                if self.server.process.poll() is None:
                    self.complain(f"somebody who wants little got {error!r}")
                return
            self.slowest = max(self.slowest, time.monotonic() - began)

    # --- what takes memory -----------------------------------------------------------------------

    def many(self, count):
        return max(1, int(count * self.scale))

    def large_runs(self):
        """700 steps of 2 MB each, several at once; each fails by itself."""
        runs = [self.ask("/api/runs", {"workflow": "large", "input": {}})["run"] for _ in range(self.many(6))]
        for run in runs:
            row = baton.wait_for(lambda: (lambda one: one if one["closed_at"] else None)(self.ask("/api/runs/" + run)), "a large run ends", 120)
            if row["error_type"] != "baton.run_too_large":
                self.complain(f"a large run ended as {row['status']}: {row['error_type']}")

    def waiting_runs(self):
        """8 MB each, all open."""
        for _ in range(self.many(100)):
            try:
                self.ask("/api/runs", {"workflow": "waiting", "input": {}})
            except urllib.error.HTTPError as refused:
                if refused.code != 503:
                    raise
                return

    def http_bodies(self, login=""):
        head = f"POST /api/workflows HTTP/1.1\r\nHost: 127.0.0.1:{self.server.http}\r\nContent-Type: application/json\r\n{login}"
        for _ in range(self.many(60)):
            with contextlib.suppress(OSError):
                one = socket.create_connection(("127.0.0.1", self.server.http), 20)
                one.settimeout(2)
                self.open.append(one)
                one.sendall((head + "Content-Length: 16000000\r\n\r\n").encode())
                one.sendall(b" " * 15_000_000)

    def http_bodies_of_a_user(self):
        self.http_bodies("Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n")

    def client(self):
        one = raw.Client(self.server.amqp, 20).log_in().open_channel()
        self.open.append(one.socket)
        return one

    def amqp_bodies(self):
        publish = raw.method(1, 60, 40, b"\x00\x00" + raw.short("") + raw.short("nowhere") + b"\x00")
        publish += raw.frame(2, 1, struct.pack(">HHQ", 60, 0, 120_000_000) + b"\x00\x00")
        piece = raw.frame(3, 1, b"x" * 100_000)
        for _ in range(self.many(40)):
            with contextlib.suppress(OSError):
                one = self.client()
                one.socket.settimeout(1)
                one.send(publish)
                for _ in range(200):
                    one.send(piece)

    def open_transactions(self):
        for _ in range(self.many(8)):
            with contextlib.suppress(OSError):
                one = self.client().declare("q")
                one.send(raw.method(1, 90, 10))
                one.read_method(90, 11)
                one.socket.settimeout(1)
                for _ in range(1000):
                    one.send(raw.publish(1, "q", b"x" * 100_000))

    def many_queues(self):
        with contextlib.suppress(OSError):
            one = self.client()
            one.socket.settimeout(5)
            for start in range(0, self.many(400_000), 1000):
                one.send(b"".join(raw.method(1, 50, 10, b"\x00\x00" + raw.short(f"a queue of many {at:06}") + b"\x10" +
                                             struct.pack(">I", 0)) for at in range(start, start + 1000)))

    def small_messages(self):
        """Transient ones that nobody takes."""
        with contextlib.suppress(OSError):
            one = self.client().declare("heap")
            one.socket.settimeout(2)
            batch = raw.publish(1, "heap", b"x" * 100) * 1000
            for _ in range(self.many(3000)):
                one.send(batch)

    def slow_readers(self):
        """Their deliveries wait in the server."""
        body = b"x" * 1_000_000
        with contextlib.suppress(OSError):
            sender = self.client()
            for at in range(self.many(30)):
                reader = raw.Client(self.server.amqp, 20, receive_buffer=4096).log_in().open_channel().declare(f"slow{at}").consume(f"slow{at}")
                self.open.append(reader.socket)
                sender.socket.settimeout(2)
                for _ in range(30):
                    sender.send(raw.publish(1, f"slow{at}", b"x" * 100_000))
        del body

    def large_answers(self):
        """Nobody reads them."""
        run = next(one["id"] for one in self.ask("/api/runs?limit=1000") if one["workflow"] == "waiting")
        request = f"GET /api/runs/{run} HTTP/1.1\r\nHost: 127.0.0.1:{self.server.http}\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n"
        for _ in range(self.many(200)):
            with contextlib.suppress(OSError):
                one = socket.socket()
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.settimeout(20)
                one.connect(("127.0.0.1", self.server.http))
                self.open.append(one)
                one.sendall(request.encode())
                one.recv(1)

    KINDS = (large_runs, waiting_runs, http_bodies, http_bodies_of_a_user, large_answers, amqp_bodies, open_transactions, many_queues, small_messages,
             slow_readers)

    # --- afterwards -----------------------------------------------------------------------------------

    def hang_up(self):
        for one in self.open:
            one.close()
        self.open.clear()

    def come_back(self):
        """What is on the disk by now starts again in the same room."""
        self.server.kill()
        self.server.start(120)
        run = self.ask("/api/runs", {"workflow": "one", "input": {}})["run"]
        baton.wait_for(lambda: self.ask("/api/runs/" + run)["closed_at"], "a small run ends after the restart", 60)
        if (most := self.limit.most()) is not None:
            print(f"  the group used {most} of {self.limit.mib} MiB at most")

    def report(self):
        for text in self.found:
            print("FOUND:", text)
        return 1 if self.found else 0


def main(arguments):
    limits = [Group(int(mib)) for mib in arguments] or [Group(256), Group(512), AddressSpace(3072)]
    found = []
    for limit in limits:
        print(f"{type(limit).__name__} of {limit.mib} MiB")
        trial = Trial(limit)
        trial.run()
        trial.report()
        found += trial.found
    print("nothing found" if not found else f"{len(found)} found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
