"""The story with pika."""
import os

import pika

PARAMETERS = pika.URLParameters(os.environ["AMQP_URL"])
Q = "story.pika"


def refused(connection, action):
    try:
        action(connection.channel())
    except pika.exceptions.ChannelClosedByBroker as error:
        return error.reply_code


connection = pika.BlockingConnection(PARAMETERS)
channel = connection.channel()
channel.queue_delete(Q)
channel.queue_declare(Q, durable=True)
print("declared")
channel.confirm_delivery()
for i in range(10):
    channel.basic_publish("", Q, str(i), pika.BasicProperties(delivery_mode=2))
print("confirmed 10")
method, _, body = channel.basic_get(Q, auto_ack=True)
print("got", body.decode(), "left", method.message_count)
channel.basic_qos(prefetch_count=1)
seen = 0
for method, _, body in channel.consume(Q):
    seen += 1
    print(("first" if seen == 1 else "second"), "delivery", body.decode(), "redelivered", str(method.redelivered).lower())
    if seen == 2:
        channel.basic_ack(method.delivery_tag)
        break
    channel.basic_nack(method.delivery_tag, requeue=True)
channel.cancel()
answers = []
client, server = connection.channel(), connection.channel()
server.queue_declare("story.pika.rpc", exclusive=True)
server.basic_consume("story.pika.rpc", lambda ch, m, p, b: ch.basic_publish("", p.reply_to, b"answer to " + b), auto_ack=True)
client.basic_consume("amq.rabbitmq.reply-to", lambda ch, m, p, b: answers.append(b), auto_ack=True)
client.basic_publish("", "story.pika.rpc", "question", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
while not answers:
    connection.process_data_events(1)
print("rpc:", answers[0].decode())
print("missing queue:", refused(connection, lambda c: c.queue_declare("story.nothing", passive=True)))
print("other arguments:", refused(connection, lambda c: c.queue_declare(Q, durable=True, arguments={"x-max-length": 5})))
try:
    channel.basic_publish("", "story.nothing", "x", mandatory=True)
except pika.exceptions.UnroutableError as error:
    print("returned:", error.messages[0].method.reply_code)
connection.close()
connection = pika.BlockingConnection(PARAMETERS)
channel = connection.channel()
print("after an error and a new connection:", channel.queue_declare(Q, passive=True).method.message_count)
print("deleted", channel.queue_delete(Q).method.message_count)
connection.close()
