"""The queue of one task type as a test takes it in hand: messages put there and rejected, and what waits in it."""
import contextlib
import json

import pika


class TaskQueue:
    """Mixed into a test with a `server`; `queue` is its name."""

    @contextlib.contextmanager
    def channel(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            connection.close()

    def put_and_reject(self, bodies, **properties):
        """Messages of no run, each rejected: dead letters, soon."""
        with self.channel() as channel:
            for body in bodies:
                channel.basic_publish("", self.queue, body, pika.BasicProperties(**properties))
            for _ in bodies:
                method, _, _ = channel.basic_get(self.queue)
                channel.basic_reject(method.delivery_tag, requeue=False)

    def queued(self):
        """Takes everything: (body, properties)."""
        found = []
        with self.channel() as channel:
            while True:
                method, properties, body = channel.basic_get(self.queue, auto_ack=True)
                if method is None:
                    return found
                found.append((body, properties))

    def complete(self, properties, result=None):
        """As the worker of a task, by what came with it."""
        with self.channel() as channel:
            channel.basic_publish("", properties.reply_to, json.dumps({} if result is None else result).encode(), pika.BasicProperties(
                type="completed", correlation_id=properties.correlation_id, delivery_mode=2))
