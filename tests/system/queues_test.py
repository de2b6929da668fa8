"""The orchestrator's own queues, deleted by somebody while it works: it notices, declares them again
and goes on."""
import shutil
import threading
import unittest

import pika

import baton

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


if __name__ == "__main__":
    unittest.main()
