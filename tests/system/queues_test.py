"""The orchestrator's own queues, deleted by somebody while it works: it notices, declares them again
and goes on."""
import pathlib
import shutil
import sys
import threading
import unittest

import pika

import baton

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import brokers  # noqa: E402 - lives beside the conformance tests

WORKFLOW = 'workflow = "w"\n[[step]]\nid = "a"\ntask = "queues.x"\n'


class QueuesTest(unittest.TestCase):
    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def start_worker(self):
        self.worker = threading.Thread(target=self.work, daemon=True)
        self.worker.start()
        self.addCleanup(self.stop_worker)

    def work(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        channel = self.connection.channel()

        def on(channel, method, task, _body):
            channel.basic_publish("", task.reply_to, b"{}", pika.BasicProperties(
                type="completed", correlation_id=task.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)
        channel.basic_consume("baton.task.queues.x", on)
        channel.start_consuming()

    def stop_worker(self):
        self.connection.add_callback_threadsafe(self.connection.close)
        self.worker.join(10)

    def run_once(self):
        self.server.baton("run", "w", timeout=40, check=0)

    def is_there(self, queue):
        try:
            return self.server.http_json(self.server.http, queue) is not None
        except OSError:
            return False

    def test_tasks_of_a_deleted_queue_are_sent_again(self):
        for _ in range(3):
            self.server.baton("run", "w", "--detach", check=0)
        queue = "/api/queues/%2F/baton.task.queues.x"
        baton.wait_for(lambda: self.server.http_json(self.server.http, queue)["messages"] == 3, "the tasks wait")

        self.server.http_json(self.server.http, queue, method="DELETE")

        baton.wait_for(lambda: "sent again" in self.server.log(), "the deletion is noticed")
        baton.wait_for(lambda: self.is_there(queue), "the queue is back")
        self.start_worker()
        baton.wait_for(lambda: all(run["status"] == "completed" for run in
                                   self.server.http_json(self.server.http, "/api/runs")), "the runs complete")

    def test_a_queue_that_somebody_declares_again_at_once_loses_no_tasks(self):
        for _ in range(3):
            self.server.baton("run", "w", "--detach", check=0)
        channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()
        baton.wait_for(lambda: channel.queue_declare("baton.task.queues.x", passive=True).method.message_count == 3,
                       "the tasks wait")
        arguments = self.server.http_json(self.server.http, "/api/queues/%2F/baton.task.queues.x")["arguments"]
        channel.queue_delete("baton.task.queues.x")
        channel.queue_declare("baton.task.queues.x", durable=True, arguments=arguments)
        self.await_all_completed()

    def test_a_purged_queue_loses_no_tasks(self):
        for _ in range(3):
            self.server.baton("run", "w", "--detach", check=0)
        channel = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"])).channel()
        baton.wait_for(lambda: channel.queue_declare("baton.task.queues.x", passive=True).method.message_count == 3,
                       "the tasks wait")
        self.assertEqual(channel.queue_purge("baton.task.queues.x").method.message_count, 3)
        self.await_all_completed()

    def test_a_broker_that_comes_back_with_nothing_loses_no_tasks(self):
        """Runs are in the database, the broker's disk is another one."""
        for _ in range(30):
            self.server.http_json(self.server.http, "/api/runs", {"workflow": "w", "input": {}})
        queue = "/api/queues/%2F/baton.task.queues.x"
        baton.wait_for(lambda: self.server.http_json(self.server.http, queue)["messages"] == 30, "the tasks wait")
        self.server.kill()
        data = self.server.home / "data"
        for path in data.iterdir():
            if path.name in ("journal", "pages"):
                shutil.rmtree(path)
        self.server.start()
        self.assertEqual(len(self.server.http_json(self.server.http, "/api/runs")), 30)
        baton.wait_for(lambda: self.is_there(queue), "the queue is back")
        self.await_all_completed()

    def await_all_completed(self):
        self.start_worker()
        baton.wait_for(lambda: all(run["status"] == "completed" for run in
                                   self.server.http_json(self.server.http, "/api/runs")), "the runs complete")

    def test_tasks_of_a_deleted_queue_survive_a_crash_before_they_are_sent_again(self):
        for _ in range(200):
            self.server.http_json(self.server.http, "/api/runs", {"workflow": "w", "input": {}})
        queue = "/api/queues/%2F/baton.task.queues.x"
        baton.wait_for(lambda: self.server.http_json(self.server.http, queue)["messages"] == 200, "the tasks wait")
        self.server.http_json(self.server.http, queue, method="DELETE")

        baton.wait_for(lambda: self.is_there(queue), "the queue is back", pause=0.002)
        self.server.kill()
        self.server.start()

        self.start_worker()
        baton.wait_for(lambda: all(run["status"] == "completed" for run in
                                   self.server.http_json(self.server.http, "/api/runs?limit=1000")),
                       "the runs complete", timeout=60)

    def test_a_deleted_virtual_host_is_noticed_and_its_tasks_are_sent_again(self):
        self.server.baton("run", "w", "--detach", check=0)
        self.server.http_json(self.server.http, "/api/vhosts/%2F", method="DELETE")
        baton.wait_for(lambda: not self.server.is_healthy(), "health says that the broker is out of reach")
        self.server.http_json(self.server.http, "/api/vhosts/%2F", {}, method="PUT")
        self.server.http_json(self.server.http, "/api/permissions/%2F/guest",
                              {"configure": ".*", "write": ".*", "read": ".*"}, method="PUT")
        baton.wait_for(self.server.is_healthy, "the orchestrator is back", timeout=60)
        self.start_worker()
        baton.wait_for(lambda: all(run["status"] == "completed" for run in
                                   self.server.http_json(self.server.http, "/api/runs")), "the run completes")

    def test_each_deleted_queue_is_back_and_runs_go_on(self):
        self.start_worker()
        self.run_once()
        for queue in ("baton.report.0", "baton.dead", "baton.unrouted"):
            with self.subTest(queue=queue):
                self.server.http_json(self.server.http, "/api/queues/%2F/" + queue, method="DELETE")
                baton.wait_for(lambda: queue in self.server.log(), "the deletion is noticed")
                baton.wait_for(lambda: self.has_consumer(queue), "the queue is back")
                self.run_once()

    def has_consumer(self, queue):
        return any(one["queue"]["name"] == queue
                   for one in self.server.http_json(self.server.http, "/api/consumers"))


class OnRabbitmqTest(unittest.TestCase):
    """A broker that tells nobody what happens to its queues."""

    @unittest.skipUnless(pathlib.Path(brokers.RABBITMQ).exists(), "RabbitMQ is not installed")
    def test_tasks_that_others_take_away_are_sent_again(self):
        with brokers.start("rabbitmq") as node:
            self.go_through(node, f"amqp://guest:guest@127.0.0.1:{node.port}/")

    def go_through(self, node, url):
        server = baton.Server(env={"BATON_BROKER_URL": url})
        self.addCleanup(server.close)
        server.amqp = node.port
        server.start()
        server.deploy(WORKFLOW)
        for _ in range(3):
            server.baton("run", "w", "--detach", check=0)
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        queue = "baton.task.queues.x"

        def are_there():
            connection.process_data_events(0)
            return channel.queue_declare(queue, passive=True).method.message_count == 3

        def delete_and_declare_again():
            """As a worker does that declares its queue before it consumes."""
            channel.queue_delete(queue)
            channel.queue_declare(queue, durable=True, arguments={
                "x-queue-type": "quorum", "x-dead-letter-exchange": "baton.dead", "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish", "x-delivery-limit": 5, "x-consumer-timeout": 24 * 60 * 60 * 1000})
            channel.queue_bind(queue, "baton.task", "queues.x")
        baton.wait_for(are_there, "the tasks wait")
        for _ in range(2):
            delete_and_declare_again()
            baton.wait_for(are_there, "the tasks are back", 30, pause=0.2)
        server.stop()
        delete_and_declare_again()
        server.start()
        baton.wait_for(are_there, "what was lost while nobody looked is back", 30, pause=0.2)
        connection.sleep(12)
        self.assertTrue(are_there(), "nothing is sent twice while nothing is lost")
        channel.queue_purge(queue)
        baton.wait_for(are_there, "what was purged is back", 90, pause=0.5)

        def on(channel, method, task, _body):
            channel.basic_publish("", task.reply_to, b"{}", pika.BasicProperties(
                type="completed", correlation_id=task.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)
        channel.basic_consume(queue, on)

        def are_completed():
            connection.process_data_events(0.2)
            return all(run["status"] == "completed" for run in server.http_json(server.http, "/api/runs"))
        baton.wait_for(are_completed, "the runs complete", 30)
        connection.close()


if __name__ == "__main__":
    unittest.main()
