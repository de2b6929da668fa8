"""The story with kombu, Celery's library (over python3-amqp)."""
import os
import socket

import amqp
import kombu

Q = "story.kombu"


def refused(connection, action):
    try:
        action(connection.channel())
    except amqp.exceptions.ChannelError as error:
        return error.reply_code


connection = kombu.Connection(os.environ["AMQP_URL"], transport_options={"confirm_publish": True})
channel = connection.channel()
channel.queue_delete(Q)
queue = kombu.Queue(Q, durable=True, channel=channel)
queue.declare()
print("declared")
producer = connection.Producer()
for i in range(10):
    producer.publish(str(i), routing_key=Q, delivery_mode=2, content_type="text/plain", content_encoding="utf-8")
print("confirmed 10")
got = queue.get(no_ack=True)
print("got", got.payload, "left", got.delivery_info["message_count"])
seen = []


def on_message(message):
    seen.append(message.payload)
    print(("first" if len(seen) == 1 else "second"), "delivery", message.payload, "redelivered",
          str(message.delivery_info["redelivered"]).lower())
    if len(seen) == 1:
        message.requeue()
    elif len(seen) == 2:
        consumer.cancel()
        message.ack()


consumer = kombu.Consumer(channel, [queue], on_message=on_message, prefetch_count=1)
consumer.consume()
while len(seen) < 2:
    connection.drain_events(timeout=10)
answers = []
server, client = connection.channel(), connection.channel()
calls = kombu.Queue("story.kombu.rpc", exclusive=True, channel=server)
calls.declare()
kombu.Consumer(server, [calls], no_ack=True, on_message=lambda m: kombu.Producer(server).publish(
    "answer to " + m.payload, routing_key=m.properties["reply_to"])).consume()
kombu.Consumer(client, [kombu.Queue("amq.rabbitmq.reply-to", no_declare=True)], no_ack=True, auto_declare=False,
               on_message=lambda m: answers.append(m.payload)).consume()
kombu.Producer(client).publish("question", routing_key="story.kombu.rpc", reply_to="amq.rabbitmq.reply-to")
while not answers:
    connection.drain_events(timeout=10)
print("rpc:", answers[0])
print("missing queue:", refused(connection, lambda c: c.queue_declare("story.nothing", passive=True)))
print("other arguments:", refused(connection, lambda c: c.queue_declare(Q, durable=True, auto_delete=False, arguments={"x-max-length": 5})))
returned = []
producer = connection.Producer(on_return=lambda error, *rest: returned.append(error.reply_code))
producer.publish("x", routing_key="story.nothing", mandatory=True)
try:
    while not returned:
        connection.drain_events(timeout=5)
except socket.timeout:
    pass
print("returned:", *returned)
connection.close()
connection = kombu.Connection(os.environ["AMQP_URL"])
connection.ensure_connection(max_retries=3)
channel = connection.channel()
print("after an error and a new connection:", channel.queue_declare(Q, passive=True).message_count)
print("deleted", channel.queue_delete(Q))
connection.close()
