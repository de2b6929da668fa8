"""Kills a broker again and again while messages are published, acknowledged and confirmed:
kill_story.py BROKER_ALONE FOLDER ROUNDS. What was confirmed must be there after the restart, and what
was acknowledged, with a confirm behind it, must not come back."""
import random
import signal
import subprocess
import sys
import threading

import pika


def start(program, folder):
    process = subprocess.Popen([program, "--data", folder], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    assert line.startswith("listening"), line
    return process, int(line.rsplit(":", 1)[1])


def main(program, folder, rounds):
    confirmed, acknowledged, attempted = set(), set(), 0
    for round_number in range(rounds):
        process, port = start(program, folder)
        killer = threading.Timer(random.uniform(0.05, 0.6), process.send_signal, [signal.SIGKILL])
        killer.start()
        pending = set()
        try:
            connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
            channel = connection.channel()
            channel.queue_declare("q", durable=True)
            channel.confirm_delivery()
            while True:
                body = b"%d" % attempted
                attempted += 1
                channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2))
                # A confirm speaks for the acknowledgements that were sent before its publish.
                confirmed.add(body)
                acknowledged |= pending
                pending.clear()
                if random.random() < 0.3:
                    method, _, taken = channel.basic_get("q")
                    if method:
                        channel.basic_ack(method.delivery_tag)
                        pending.add(taken)
        except (pika.exceptions.AMQPError, OSError):
            pass
        killer.join()
        process.wait()
        # Perhaps they reached the broker, perhaps not: both are right.
        confirmed -= pending
    process, port = start(program, folder)
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    left = []
    while True:
        method, _, body = channel.basic_get("q", auto_ack=True)
        if not method:
            break
        left.append(body)
    connection.close()
    process.terminate()
    process.wait()
    assert len(left) == len(set(left)), "twice"
    missing = confirmed - acknowledged - set(left)
    assert not missing, f"lost: {sorted(missing)[:10]} of {len(confirmed)}"
    back = acknowledged & set(left)
    assert not back, f"came back: {sorted(back)[:10]}"
    assert len(confirmed) > rounds, "too little happened"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
