"""Stories of a pika client, one per call: pika_stories.py STORY PORT. Exit code 0 means it went well."""
import sys

import pika

PERSISTENT = pika.BasicProperties(delivery_mode=2, headers={"n": 1}, message_id="m")


def connect(port):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))


def hello(port):
    connection = connect(port)
    channel = connection.channel()
    channel.queue_declare("hello")
    for number in range(100):
        channel.basic_publish("", "hello", b"Hello %d" % number)
    received = []

    def on_message(_, method, properties, body):
        received.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(received) == 100:
            channel.stop_consuming()

    channel.basic_qos(prefetch_count=10)
    channel.basic_consume("hello", on_message)
    channel.start_consuming()
    assert received == [b"Hello %d" % number for number in range(100)]
    assert channel.queue_declare("hello", passive=True).method.message_count == 0
    channel.confirm_delivery()
    channel.basic_publish("", "hello", b"confirmed", mandatory=True)
    try:
        channel.basic_publish("", "nowhere", b"", mandatory=True)
        raise AssertionError("an unroutable message must come back")
    except pika.exceptions.UnroutableError:
        pass
    connection.close()


def bodies(port):
    connection = connect(port)
    channel = connection.channel()
    channel.queue_declare("bodies", exclusive=True)
    for size in (0, 1, 4088, 100_000, 131_064, 131_065, 1_000_000, 5_000_000):
        body = bytes(at % 251 for at in range(min(size, 2000))) * (size // 2000 + 1)
        body = body[:size]
        channel.basic_publish("", "bodies", body)
        method, _, back = channel.basic_get("bodies", auto_ack=True)
        assert method and back == body, size
    connection.close()


def fill(port):
    connection = connect(port)
    channel = connection.channel()
    channel.exchange_declare("kept", "topic", durable=True)
    channel.queue_declare("kept", durable=True)
    channel.queue_bind("kept", "kept", "a.#")
    channel.queue_declare("lost")
    channel.confirm_delivery()
    for number in range(60):
        channel.basic_publish("kept", "a.b", b"%d" % number, PERSISTENT, mandatory=True)
    channel.basic_publish("kept", "a.b", b"transient")
    connection.close()


def drain(port):
    connection = connect(port)
    channel = connection.channel()
    assert channel.queue_declare("kept", durable=True).method.message_count == 60
    for number in range(60):
        method, properties, body = channel.basic_get("kept")
        assert body == b"%d" % number, (number, body)
        assert properties.headers == {"n": 1} and properties.message_id == "m"
        assert method.exchange == "kept" and method.routing_key == "a.b"
        channel.basic_ack(method.delivery_tag)
    channel.basic_publish("kept", "a.x", b"bound still")
    assert channel.basic_get("kept", auto_ack=True)[2] == b"bound still"
    try:
        channel.queue_declare("lost", passive=True)
        raise AssertionError("a transient queue must not survive")
    except pika.exceptions.ChannelClosedByBroker as closed:
        assert closed.reply_code == 404
    connection.close()


def empty(port):
    connection = connect(port)
    channel = connection.channel()
    assert channel.queue_declare("kept", durable=True).method.message_count == 0
    connection.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
