"""The brokers under test, each on ports of its own in a folder of its own, ended by its process id.

    with brokers.start("baton") as broker: ...      # broker.host, .port, .user, .password, .vhost
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def free_ports(count):
    """Ports nobody listens on just now, below those that the system gives to outgoing connections."""
    sockets = []
    while len(sockets) < count:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.randrange(17000, 32000)))
            sockets.append(s)
        except OSError:
            s.close()
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def end(process, patience=20):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Broker:
    """A broker that was there before: named by a URL. Alarms cannot be raised from outside."""
    name, can_alarm = "baton", False

    def __init__(self, url=None):
        self.host, self.port, self.user, self.password, self.vhost = "127.0.0.1", 5672, "guest", "guest", "/"
        if url:
            from urllib.parse import unquote, urlsplit
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or self.host, parts.port or self.port
            self.user, self.password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
            self.vhost = unquote(parts.path[1:]) or "/"

    @property
    def url(self):
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/"

    def log(self):
        return ""

    def close(self):
        pass


class Baton(Broker):
    """The broker alone; CONFORMANCE_BATON names the executable broker_alone."""
    name, can_alarm = "baton", True
    MEMORY_HIGH = 8 << 20

    def __init__(self):
        super().__init__()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
        executable = os.environ.get("CONFORMANCE_BATON", str(ROOT / "build/ci/tests/broker/broker_alone"))
        self.errors = open(self.home / "log", "wb")
        self.process = subprocess.Popen(
            [executable, "--listen", "127.0.0.1:0", "--data", str(self.home / "data"), "--memory-high", str(self.MEMORY_HIGH),
             "--user", "limited:limited:^mine:^mine:^mine"],
            stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening"):
            log = self.log()
            end(self.process)
            shutil.rmtree(self.home, ignore_errors=True)
            raise RuntimeError(f"{executable} said {line!r}:\n{log}")
        self.port = int(line.rsplit(":", 1)[1])

    def log(self):
        return (self.home / "log").read_text(errors="replace")

    def alarm(self, is_on):
        """Too much is stored, and then it is not: one connection fills a queue, another one empties it."""
        import wire
        with wire.Connection(wire.Transcript(), self, capabilities={}) as connection:
            channel = connection.channel()
            if is_on:
                channel("queue.declare", queue="conformance.ballast")
                channel("confirm.select")
                channel.publish("", "conformance.ballast", bytes(self.MEMORY_HIGH + 1))
                channel.read()  # stored: from here on there is an alarm
                connection.drop()
            else:
                channel("queue.delete", queue="conformance.ballast")

    def close(self):
        code = end(self.process)
        self.process.stdout.close()
        self.errors.close()
        log = self.log()
        shutil.rmtree(self.home, ignore_errors=True)
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            if word in log:
                raise AssertionError("the broker's log holds a sanitizer report:\n" + log[-8000:])
        if code != 0:
            raise AssertionError(f"the broker ended with {code}:\n{log[-4000:]}")


class RabbitMq(Broker):
    """A node of Debian's RabbitMQ with its own epmd, started as children and ended with us."""
    name, can_alarm = "rabbitmq", True

    def __init__(self):
        super().__init__()
        if not os.path.exists(RABBITMQ):
            raise RuntimeError("RabbitMQ is not installed: apt-get install rabbitmq-server")
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="referee-"))
        self.port, dist, epmd = free_ports(3)
        hashed = {"hashing_algorithm": "rabbit_password_hashing_sha256", "limits": {}}
        definitions = {
            "vhosts": [{"name": "/"}],
            "users": [dict(hashed, name="guest", password_hash=salted("guest"), tags=["administrator"]),
                      dict(hashed, name="limited", password_hash=salted("limited"), tags=[])],
            "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
                            {"user": "limited", "vhost": "/", "configure": "^mine", "write": "^mine", "read": "^mine"}]}
        (self.home / "definitions.json").write_text(json.dumps(definitions))
        (self.home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nload_definitions = {self.home}/definitions.json\n"
            "loopback_users = none\nlog.file.level = warning\ndisk_free_limit.absolute = 1MB\n")
        (self.home / "plugins").write_text("[].\n")
        self.env = dict(os.environ, HOME=str(self.home), RABBITMQ_NODENAME=f"referee{self.port}@localhost",
                        RABBITMQ_MNESIA_BASE=str(self.home / "mnesia"), RABBITMQ_LOG_BASE=str(self.home / "log"),
                        RABBITMQ_CONFIG_FILE=str(self.home / "rabbitmq.conf"), RABBITMQ_CONF_ENV_FILE=str(self.home / "none"),
                        RABBITMQ_ENABLED_PLUGINS_FILE=str(self.home / "plugins"), RABBITMQ_DIST_PORT=str(dist),
                        ERL_EPMD_PORT=str(epmd), ERL_EPMD_ADDRESS="127.0.0.1",
                        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}")
        self.output = open(self.home / "output", "wb")
        self.epmd = subprocess.Popen(["epmd", "-port", str(epmd), "-address", "127.0.0.1"], env=self.env,
                                     stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        self.start()

    def start(self):
        self.process = subprocess.Popen([RABBITMQ], env=self.env, cwd=self.home, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        self.await_start()

    def kill(self):
        """kill -9, as a crash; start() is the same node again."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def await_start(self):
        limit = time.monotonic() + 90
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), 1) as s:
                    s.settimeout(2)
                    s.sendall(b"AMQP\x00\x00\x09\x01")
                    if s.recv(1):
                        return
            except OSError:
                time.sleep(0.3)
        text = self.log()
        self.close()
        raise RuntimeError("RabbitMQ did not start:\n" + text)

    def ctl(self, *arguments):
        return subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *arguments], env=self.env, check=True, cwd=self.home,
                              capture_output=True, text=True, timeout=60).stdout

    def alarm(self, is_on):
        self.ctl("set_vm_memory_high_watermark", "0.0000001" if is_on else "0.6")

    def log(self):
        return (self.home / "output").read_text(errors="replace")[-6000:]

    def close(self):
        # The script of the package becomes the runtime's process or its parent: both are of this group.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        end(self.epmd)
        self.output.close()
        shutil.rmtree(self.home, ignore_errors=True)


def salted(password):
    import base64
    import hashlib
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


@contextlib.contextmanager
def start(name):
    broker = {"baton": Baton, "rabbitmq": RabbitMq}[name]()
    try:
        yield broker
    finally:
        broker.close()
