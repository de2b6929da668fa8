"""What a conformance test is: it talks to a broker, and the transcript of what was said is compared with
the one in expected/, which RabbitMQ wrote. `differs` marks the few where Baton says something else on
purpose; its answer stands in expected/<module>.baton.txt and must really be another one."""
import atexit
import difflib
import os
import pathlib
import sys
import traceback
import unittest

import brokers
import wire

EXPECTED = pathlib.Path(__file__).resolve().parent / "expected"
RECORDS = os.environ.get("CONFORMANCE_RECORD") == "1"


def differs(reason):
    def mark(function):
        function.differs = reason
        return function
    return mark


def read_sections(path):
    sections, lines = {}, []
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.startswith("== "):
                lines = sections.setdefault(line[3:].strip(), [])
            else:
                lines.append(line)
    return {name: "".join(lines).rstrip("\n") + "\n" for name, lines in sections.items()}


def write_section(path, name, text):
    sections = read_sections(path)
    sections[name] = text
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(f"== {name}\n{sections[name]}" for name in sorted(sections)))


class Case(unittest.TestCase):
    maxDiff = None
    counted = {}  # lines the broker said, by "agree" and "differ": the runner reports them

    @classmethod
    def setUpClass(cls):
        # One broker for all classes of a run; the environment may name one that runs already.
        if "broker" not in Case.__dict__:
            url, name = os.environ.get("CONFORMANCE_URL"), os.environ.get("CONFORMANCE_BROKER", "baton")
            if url:
                Case.broker = brokers.Broker(url)
                Case.broker.name = name
            else:
                Case.broker = {"baton": brokers.Baton, "rabbitmq": brokers.RabbitMq}[name]()
                atexit.register(Case.close_broker)

    @staticmethod
    def close_broker():
        try:
            Case.broker.close()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(3)  # what an exit handler raises would be forgotten

    def setUp(self):
        self.talk = wire.Transcript()
        self.connections = []
        self.connection = self.channel = None

    def tearDown(self):
        for connection in self.connections:
            connection.close() if connection.is_open and not connection.ended else connection.drop()
        with wire.Connection(wire.Transcript(), self.broker) as janitor:
            for kind, names in (("queue", self.talk.queues), ("exchange", self.talk.exchanges)):
                for name in dict.fromkeys(names):
                    channel = janitor.channel()
                    channel(kind + ".delete", **{kind: name})
                    if channel.is_open:
                        channel("channel.close", reply_code=200)

    def _callTestMethod(self, method):
        method()
        self.compare(method)

    def connect(self, **options):
        connection = wire.Connection(self.talk, self.broker, **options)
        self.connections.append(connection)
        return connection

    def open(self, **options):
        """Channel 1 of a new connection."""
        return self.connect(**options).channel(1)

    def ask(self, name, **arguments):
        """A method on the case's own channel, which is opened anew when the broker has closed it."""
        return self.own_channel()(name, **arguments)

    def own_channel(self):
        if self.connection is None or not self.connection.is_open or self.connection.ended:
            self.connection, self.channel = self.connect(), None
        if self.channel is None or not self.channel.is_open:
            self.channel = self.connection.channel(1)
        return self.channel

    def say(self, text):
        """A remark in the transcript: which row of a table, or a fact that was checked."""
        self.talk.add("# " + text)

    def compare(self, method):
        module, name = sys.modules[type(self).__module__].__file__, self._testMethodName
        module = pathlib.Path(module).stem.removesuffix("_test")
        text, reason = self.talk.text(), getattr(method, "differs", None)
        of_referee, of_baton = EXPECTED / f"{module}.txt", EXPECTED / f"{module}.baton.txt"
        is_baton = self.broker.name == "baton"
        path = of_baton if is_baton and reason else of_referee
        if RECORDS and (reason or not is_baton):
            write_section(path, name, text)
        expected = read_sections(path).get(name)
        self.assertIsNotNone(expected, f"{path.name} has no section {name}; record it with run.py --record")
        lines = sum("<" in line.split(" ", 1)[0] for line in text.splitlines())
        kind = "differ" if reason else "agree"
        Case.counted.setdefault(kind, {})[f"{module}.{name}"] = (lines, reason)
        if reason:
            self.assertNotEqual(read_sections(of_referee).get(name), read_sections(of_baton).get(name),
                                "marked as different, but both brokers say the same")
        if text != expected:
            shown = "".join(difflib.unified_diff(expected.splitlines(keepends=True), text.splitlines(keepends=True),
                                                 f"expected of {'Baton' if path is of_baton else 'RabbitMQ'}", f"said by {self.broker.name}", n=3))
            self.fail(f"{module}.{name}\n{shown}")
