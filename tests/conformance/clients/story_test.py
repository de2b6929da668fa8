"""Third-party clients, unmodified, against Baton: each program of this folder lives through the same
story with its own library and prints one line a step. CONFORMANCE_CLIENTS=rabbitmq asks the referee.

The light ones are installed by scripts/setup; where Go's or Java's compiler or library is missing, the
test says so and is skipped.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import brokers  # noqa: E402

STORY = """\
declared
confirmed 10
got 0 left 9
first delivery 1 redelivered false
second delivery 1 redelivered true
rpc: answer to question
missing queue: 404
other arguments: 406
returned: 312
after an error and a new connection: 8
deleted 8
""".splitlines()


class ClientsTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        name = os.environ.get("CONFORMANCE_CLIENTS", "baton")
        cls.broker = {"baton": brokers.Baton, "rabbitmq": brokers.RabbitMq}[name]()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def tell(self, *command, cwd=HERE, **environment):
        environment = dict(os.environ, AMQP_URL=self.broker.url, AMQP_HOST=self.broker.host, AMQP_PORT=str(self.broker.port), **environment)
        done = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=100, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.splitlines(), STORY, done.stderr)

    def needs(self, *paths):
        for path in paths:
            if not (shutil.which(path) or os.path.exists(path)):
                self.skipTest(f"{path} is not installed")

    def test_pika(self):
        self.tell("/usr/bin/python3", "pika_story.py")

    def test_kombu(self):
        self.needs("/usr/lib/python3/dist-packages/kombu")
        self.tell("/usr/bin/python3", "kombu_story.py")

    def test_aio_pika(self):
        self.needs("/usr/lib/python3/dist-packages/aio_pika")
        self.tell("/usr/bin/python3", "aio_pika_story.py")

    def test_bunny(self):
        self.needs("/usr/bin/ruby", "/usr/share/rubygems-integration/all/gems/bunny-2.19.0")
        self.tell("/usr/bin/ruby", "bunny_story.rb")

    def test_php_amqplib(self):
        self.needs("/usr/bin/php", "/usr/share/php/PhpAmqpLib")
        self.tell("/usr/bin/php", "php_story.php")

    def test_amqp091_go(self):
        self.needs("/usr/bin/go", "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go")
        with tempfile.TemporaryDirectory() as cache:
            program = os.path.join(cache, "go_story")
            environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOCACHE=os.environ.get("GOCACHE", cache))
            subprocess.run(["/usr/bin/go", "build", "-o", program, "go_story.go"], cwd=HERE, env=environment, check=True, timeout=300)
            self.tell(program)

    def test_java_client(self):
        jar = "/usr/share/java/amqp-client.jar"
        self.needs("/usr/bin/java", jar)
        self.tell("/usr/bin/java", "-cp", jar + ":/usr/share/java/slf4j-api.jar", "JavaStory.java")

    def test_amqplib_js(self):
        self.needs("node", str(HERE.parents[1] / "system/node/node_modules/amqplib"))
        self.tell("node", "amqplib_story.cjs")

    def test_amqp_client_js(self):
        self.needs("node", str(HERE.parents[1] / "system/node/node_modules/@cloudamqp/amqp-client"))
        self.tell("node", "amqp_client_story.cjs")


if __name__ == "__main__":
    unittest.main()
