"""The SDKs' workers on a RabbitMQ, all three beside each other on one node."""
import concurrent.futures
import os
import sys
import unittest

import baton
import sdk_python_test
import sdk_stories
import sdk_typescript_test

sys.path.append(str(baton.ROOT / "tests" / "conformance"))
import brokers  # noqa: E402


class Told(sdk_stories.Stories, unittest.TestCase):
    """One SDK's stories, told by the test below."""
    counts_at_once = False

    def __init__(self, prefix, command, server, url):
        super().__init__()
        self.prefix, self.command, self.server = prefix, command, server
        self.settle_in(url)

    def runTest(self):
        pass


class SdkOnRabbitmqTest(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(brokers.RABBITMQ):
            self.skipTest("RabbitMQ is not installed")
        self.commands = {}
        python = sdk_python_test.Package()
        self.addCleanup(python.close)
        for kind in ("pika", "aio"):
            self.commands[kind] = (python.python, "-u", str(sdk_python_test.WORKER), kind)
        if (sdk_typescript_test.SOURCE / "node_modules").exists():
            typescript = sdk_typescript_test.Package()
            self.addCleanup(typescript.close)
            self.commands["node"] = ("node", str(typescript.project / "worker.mjs"))
        else:
            print("left out: TypeScript, since sdk/typescript/node_modules is missing")

    def test_all_of_them(self):
        node = brokers.RabbitMq()
        self.addCleanup(node.close)
        server = baton.Server(env={"BATON_BROKER_URL": node.url})
        server.amqp = node.port
        self.addCleanup(server.close)
        server.start()
        told = [Told(prefix, command, server, node.url) for prefix, command in self.commands.items()]
        for one in told:
            self.addCleanup(one.doCleanups)

        def together(tell):
            with concurrent.futures.ThreadPoolExecutor(len(told)) as threads:
                return list(threads.map(tell, told))
        workers = dict(zip(told, together(lambda one: one.tell_waiting())))

        def tell(one):
            one.tell_resume()
            one.tell_cancel()
        together(tell)

        def begin(one):
            runs = [one.begin("stubborn"), one.begin("guarded")]
            one.wait(lambda: len(one.lines("stubborn")) == 2, "the handlers run")
            return runs
        runs = together(begin)
        node.kill()
        node.start()
        for one, begun in zip(told, runs):
            one.check_restart(begun)
        together(lambda one: one.tell_sigterm(workers[one]))


if __name__ == "__main__":
    unittest.main()
