"""Starts the real `baton` for the system tests and talks to it as its users do.

Everything runs on loopback, on ports the kernel gave out, in a temporary folder; processes are ended
by their own id. BATON_EXE names the executable (default: the release build).
"""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BROKER_ALONE = os.environ.get("BATON_TEST_BROKER_ALONE", str(ROOT / "build" / "ci" / "tests" / "broker" / "broker_alone"))
EXE = os.environ.get("BATON_EXE", str(ROOT / "build" / "release" / "baton"))


def free_ports(count):
    """Ports nobody listens on just now. Held open together so that they differ; below those that the system gives
    to outgoing connections, since a server that is killed and started again would find its own taken by one."""
    sockets = []
    while len(sockets) < count:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", random.randrange(17000, 32000)))
            sockets.append(s)
        except OSError:
            s.close()
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, what, timeout=30.0, pause=0.02):
    """Waits until condition() is true and returns its value; fails with `what` after `timeout`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(pause)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


def preloaded(folder, text, **env):
    """The environment of a server in which these C functions stand before the C library's."""
    source = pathlib.Path(folder) / "preloaded.c"
    source.write_text(text)
    library = source.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", **env}


class Server:
    """One `baton serve` or `baton dev` with its folder; can be killed and started again."""

    def __init__(self, verb="serve", args=(), env=None, keep=False, wrap=()):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-test-"))
        self.amqp, self.http, self.sandbox = free_ports(3)
        self.verb, self.args, self.process = verb, list(args), None
        self.ca = None  # a file: HTTP is HTTPS, and this authority signed the certificate
        self.wrap = list(wrap)  # a command that becomes the server
        self.env = dict(os.environ)
        self.env.update({
            "BATON_BROKER_LISTEN": f"127.0.0.1:{self.amqp}",
            "BATON_METRICS_LISTEN": "",
            "BATON_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "BATON_SANDBOX_LISTEN": f"127.0.0.1:{self.sandbox}",
            "BATON_DATA": str(self.home / "data"),
            "BATON_URL": f"http://127.0.0.1:{self.http}",
            "BATON_AMQP": f"amqp://guest:guest@127.0.0.1:{self.amqp}/",
            "BATON_BROKER_USERS": "guest:guest,rabbitmqlogin[administrator]:rabbitmqpassword,yet[administrator]:asdfasdf",
        })
        self.env.update(env or {})
        self.log_path = self.home / "log"

    def start(self, timeout=60.0, healthy=True):
        """Waits until it works; with healthy=False, until it answers."""
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.wrap, EXE, self.verb, *self.args], env=self.env, cwd=self.home,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.await_ready(timeout, healthy)
        return self

    def await_ready(self, timeout=60.0, healthy=True):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"baton {self.verb} ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            return accepts(self.amqp) and accepts(self.http) and (not healthy or self.is_healthy())
        wait_for(ready, "the server starts", timeout)

    def is_healthy(self):
        """Everything works, the orchestrator's connection to the broker too; workers may be missing."""
        try:
            return self.http_json(self.http, "/api/health", timeout=5)["status"] != "failing"
        except OSError:
            return False

    def kill(self):
        """kill -9, as a crash."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=60.0):
        """On PostgreSQL a sanitized server that is done looks up whose a leak of libpqxx is, which takes the symbolizer
        half a minute on a busy machine."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the server did not stop on SIGTERM:\n" + self.log()[-4000:])
        return self.process.returncode if self.process else None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def close(self):
        try:
            self.say_if_it_died()
            self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def say_if_it_died(self):
        """A test that lost its server mostly sees a connection that is gone: here is why."""
        if self.process and self.process.poll() not in (None, 0, -signal.SIGKILL):
            print(f"the server ended with {self.process.returncode}:\n{self.log()[-8000:]}", file=sys.stderr)

    def baton(self, *args, timeout=120, check=None, stdin=None):
        """Runs a verb; `check` is the exit code that is expected."""
        done = subprocess.run([EXE, *args], env=self.env, cwd=self.home, text=True, timeout=timeout,
                              capture_output=True, input=stdin)
        if check is not None and done.returncode != check:
            raise AssertionError(f"baton {' '.join(args)}: exit code {done.returncode} instead of {check}\n"
                                 f"{done.stdout}\n{done.stderr}\n-- log --\n{self.log()[-3000:]}")
        return done

    def deploy(self, source):
        """A workflow's text."""
        path = self.home / "w.toml"
        path.write_text(source)
        self.baton("deploy", str(path), check=0)

    def json(self, *args, **kwargs):
        return json.loads(self.baton(*args, "--json", check=0, **kwargs).stdout)

    def sandbox_state(self):
        return self.http_json(self.sandbox, "/sandbox/state")

    def http_json(self, port, path, body=None, method=None, timeout=30):
        import base64
        import urllib.request
        data = None if body is None else json.dumps(body).encode()
        scheme = "https" if self.ca else "http"
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{port}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def set_fault(self, call, fault):
        return self.http_json(self.sandbox, "/sandbox/faults", {call: fault})


class BrokerAlone:
    """A broker without an orchestrator: for a server, the outside one."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-broker-"))
        [self.amqp] = free_ports(1)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.amqp}/"
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen([BROKER_ALONE, "--listen", f"127.0.0.1:{self.amqp}", "--data", str(self.home / "data")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: accepts(self.amqp), "the broker starts", 60)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)


class ServerTest(unittest.TestCase):
    """A test class whose cases share one server."""
    verb, args, env = "serve", (), {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.verb, cls.args, cls.env).start()

    @classmethod
    def tearDownClass(cls):
        log = cls.server.log()
        cls.server.close()
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            if word in log:
                raise AssertionError("the server's log holds a sanitizer report:\n" + log[-8000:])


if __name__ == "__main__":
    sys.exit("this is a module; run one of the tests beside it")
