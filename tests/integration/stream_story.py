"""Kills a broker again and again while a stream is written and read: stream_story.py BROKER_ALONE
FOLDER ROUNDS. An offset that anybody has seen, or that was confirmed, means the same message for
ever; what the limits of a stream took does not come back, and offsets go on behind it."""
import random
import signal
import subprocess
import sys
import threading

import pika

KEPT = {"x-queue-type": "stream"}
SHORT = {"x-queue-type": "stream", "x-max-length-bytes": 3000,
         "x-stream-max-segment-size-bytes": 500}
GONE = (pika.exceptions.AMQPError, OSError)


def start(program, folder):
    process = subprocess.Popen([program, "--data", folder], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    assert line.startswith("listening"), line
    return process, int(line.rsplit(":", 1)[1])


def connect(port):
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = connection.channel()
    channel.queue_declare("kept", durable=True, arguments=KEPT)
    channel.queue_declare("short", durable=True, arguments=SHORT)
    return connection, channel


def messages(channel, stream, offset, prefetch=50):
    """All there is from that offset on, and all that still comes."""
    channel.basic_qos(prefetch_count=prefetch)
    for method, properties, body in channel.consume(stream, inactivity_timeout=0.3,
                                                    arguments={"x-stream-offset": offset}):
        if method is None:
            yield None, None
            continue
        assert not method.redelivered
        yield properties.headers["x-stream-offset"], body
        channel.basic_ack(method.delivery_tag)


class Seen:
    """What is known of a stream: which message an offset means."""

    def __init__(self):
        self.bodies = {}
        self.next = 0

    def see(self, offset, body):
        known = self.bodies.setdefault(offset, body)
        assert known == body, f"offset {offset} was {known} and is {body}"
        self.next = max(self.next, offset + 1)


def read_on(port, stream, seen, failures):
    try:
        _, channel = connect(port)
        for offset, body in messages(channel, stream, seen.next or "first"):
            if offset is not None:
                seen.see(offset, body)
    except GONE:
        pass
    except Exception as failure:  # a thread must not fail in silence
        failures.append(failure)


def main(program, folder, rounds):
    seen = {"kept": Seen(), "short": Seen()}
    confirmed, attempted, failures = [], 0, []
    for _ in range(rounds):
        process, port = start(program, folder)
        killer = threading.Timer(random.uniform(0.1, 0.7), process.send_signal, [signal.SIGKILL])
        killer.start()
        readers = [threading.Thread(target=read_on, args=(port, stream, seen[stream], failures))
                   for stream in seen]
        for reader in readers:
            reader.start()
        try:
            _, channel = connect(port)
            channel.queue_bind("kept", "amq.fanout")
            channel.queue_bind("short", "amq.fanout")
            channel.confirm_delivery()
            while True:
                body = b"%d" % attempted + b"." * random.randrange(40)
                attempted += 1
                channel.basic_publish("amq.fanout", "", body)
                confirmed.append(body)
        except GONE:
            pass
        for thread in [killer, *readers]:
            thread.join()
        process.wait()
        assert not failures, failures
    process, port = start(program, folder)
    for stream, prefetch in (("kept", 7), ("short", 300)):
        connection, channel = connect(port)
        offsets, bodies = [], []
        for offset, body in messages(channel, stream, "first", prefetch):
            if offset is None:
                break
            seen[stream].see(offset, body)
            offsets.append(offset)
            bodies.append(body)
        connection.close()
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), "a gap"
        assert seen[stream].next == offsets[-1] + 1, "somebody has seen what is not there"
        numbers = [int(body.split(b".")[0]) for body in bodies]
        assert numbers == sorted(set(numbers)), "out of order, or twice"
        if stream == "kept":
            assert offsets[0] == 0
            missing = set(confirmed) - set(bodies)
            assert not missing, f"lost: {sorted(missing)[:10]} of {len(confirmed)}"
            everything = len(bodies)
        else:
            assert 0 < sum(map(len, bodies)) <= 3000, "larger than it may be"
            assert bodies[-1] == seen["kept"].bodies[everything - 1], "the newest is missing"
    process.terminate()
    process.wait()
    assert len(confirmed) > rounds, "too little happened"
    print(f"{everything} messages, {len(confirmed)} confirmed")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
