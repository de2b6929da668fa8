"""Kills a broker again and again while several clients work, and reads after each start what is there:
    crash_rounds.py BROKER_ALONE FOLDER ROUNDS [SEED]
No confirmed message may be lost, no acknowledged one come back, nothing be delivered twice without
`redelivered`, no transaction be halved, no deleted queue return. Every fourth time the broker is
killed again while it recovers. Prints what happened; exit code 0 when every promise was kept."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pika

PERSISTENT = pika.BasicProperties(delivery_mode=2)
QUEUES = {
    "plain": {},
    "dying": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead",
              "x-message-ttl": 1500},
    "dead": {},
    "tx": {},
    "counted": {"x-queue-type": "quorum", "x-delivery-limit": 5000},
}
# A stream, which keeps what it delivers.
LOG = "log"
# Above so many messages everything is purged: each round reads them all.
STAKE_MAX = 800
# What ends when the broker is killed.
ENDED = (pika.exceptions.AMQPError, OSError, ValueError)


class Broken(Exception):
    """A promise was broken."""


class Book:
    """What the broker has promised, by message number. A message keeps its number as a dead letter."""

    def __init__(self):
        self.lock = threading.Lock()
        self.last = 0
        self.sent = {}           # number -> queue
        self.confirmed = set()
        self.may_be_gone = set()
        self.gone = set()
        self.given = set()       # (number, queue)
        self.transactions = []   # unanswered: (published, acknowledged)
        self.deleted = []        # names of queues
        self.short_lived = ""    # the queue that is about to be deleted
        self.complaints = []
        self.counts = {"confirmed": 0, "acknowledged": 0, "transactions": 0, "dead": 0, "deleted": 0}

    def publish(self, channel, queue, in_transaction=False):
        with self.lock:
            self.last += 1
            number = self.last
            self.sent[number] = queue
        body = b"%d:" % number + b"x" * (number * 37 % 900)
        channel.basic_publish("", queue, body, PERSISTENT)
        if not in_transaction:
            with self.lock:
                self.confirmed.add(number)
                self.counts["confirmed"] += 1
        return number

    def take(self, queue, method, body):
        number = int(body.split(b":")[0])
        with self.lock:
            if number in self.gone:
                self.complaints.append(f"{number} of {queue} was delivered after it was gone")
            if (number, queue) in self.given and not method.redelivered:
                self.complaints.append(f"{number} of {queue} came again without redelivered")
            if len(body) != len(b"%d:" % number) + number * 37 % 900:
                self.complaints.append(f"{number} of {queue} has another body")
            self.given.add((number, queue))
        return number

    def settle(self, numbers):
        with self.lock:
            self.may_be_gone.update(numbers)

    def proved(self, numbers):
        with self.lock:
            self.gone.update(numbers)
            self.counts["acknowledged"] += len(numbers)


def publish_and_take(book, channel, dice, source, target):
    """Publishes with confirms; takes a little more than it publishes once there is a backlog."""
    channel.confirm_delivery()
    unproved = []
    while True:
        book.publish(channel, target)
        # A confirm speaks for the acknowledgements before its publish.
        book.proved(unproved)
        unproved = []
        for _ in range(dice.choice((0, 0, 1, 2, 2))):
            method, _, body = channel.basic_get(source)
            if not method:
                break
            number = book.take(source, method, body)
            if dice.random() < 0.2:
                channel.basic_nack(method.delivery_tag, requeue=True)
                continue
            book.settle([number])
            channel.basic_ack(method.delivery_tag)
            unproved.append(number)


def publish_and_reject(book, channel, dice):
    channel.confirm_delivery()
    while True:
        book.publish(channel, "dying")
        method, _, body = channel.basic_get("dying") if dice.random() < 0.5 else (None, 0, 0)
        if method:
            book.take("dying", method, body)
            channel.basic_reject(method.delivery_tag, requeue=False)
            with book.lock:
                book.counts["dead"] += 1


def transact(book, channel, dice):
    channel.tx_select()
    while True:
        published = [book.publish(channel, "tx", True) for _ in range(dice.randint(1, 3))]
        taken = []
        for _ in range(dice.choice((0, 1, 3, 4))):
            method, _, body = channel.basic_get("tx")
            if not method:
                break
            taken.append(book.take("tx", method, body))
            channel.basic_ack(method.delivery_tag)
        with book.lock:
            book.transactions = [(published, taken)]
            book.may_be_gone.update(taken)
        channel.tx_commit()
        with book.lock:
            book.transactions = []
            book.confirmed.update(published)
            book.gone.update(taken)
            book.counts["transactions"] += 1


def declare_and_delete(book, channel, dice):
    channel.confirm_delivery()
    while True:
        name = f"short-lived-{dice.getrandbits(40)}"
        with book.lock:
            book.short_lived = name
        channel.queue_declare(name, durable=True)
        numbers = [book.publish(channel, name) for _ in range(dice.randint(0, 3))]
        book.settle(numbers)
        channel.queue_delete(name)
        with book.lock:
            book.short_lived = ""
            book.gone.update(numbers)
            book.deleted.append(name)
            book.counts["deleted"] += 1


def append(book, channel):
    channel.confirm_delivery()
    while True:
        book.publish(channel, LOG)


def work(book, port, seed):
    dice = random.Random(seed)
    jobs = [lambda c, d: publish_and_take(book, c, d, "plain", "plain"),
            lambda c, d: publish_and_take(book, c, d, "dead", "counted"),
            lambda c, d: publish_and_take(book, c, d, "counted", "plain"),
            lambda c, d: publish_and_reject(book, c, d),
            lambda c, d: transact(book, c, d),
            lambda c, d: append(book, c),
            lambda c, d: declare_and_delete(book, c, d)]

    def run(job, own_dice):
        try:
            job(connect(port).channel(), own_dice)
        except ENDED:
            pass
        except Exception as error:  # a bug of this script must not look like a kill
            with book.lock:
                book.complaints.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(job, random.Random(dice.getrandbits(64))))
               for job in jobs]
    for thread in threads:
        thread.start()
    return threads


def connect(port):
    return pika.BlockingConnection(pika.ConnectionParameters(
        "127.0.0.1", port, heartbeat=0, blocked_connection_timeout=30, socket_timeout=30))


def launch(program, folder):
    return subprocess.Popen([program, "--data", folder, "--segment-bytes", "16384"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()


def start(program, folder):
    process = launch(program, folder)
    line = process.stdout.readline()
    if not line.startswith("listening"):
        raise Broken(f"the broker does not start: {line}{process.stderr.read()}")
    return process, int(line.rsplit(":", 1)[1])


def declare(channel):
    for name, arguments in QUEUES.items():
        channel.queue_declare(name, durable=True, arguments=arguments)
    channel.queue_declare(LOG, durable=True, arguments={"x-queue-type": "stream"})


def read_log(connection):
    """The numbers in the stream, from its first message on."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=100)
    count = channel.queue_declare(LOG, passive=True).method.message_count
    numbers = []
    while len(numbers) < count:
        method, _, body = next(channel.consume(LOG, arguments={"x-stream-offset": "first"},
                                               inactivity_timeout=30))
        if method is None:
            raise Broken(f"the stream has {count} messages and gave {len(numbers)}")
        numbers.append(int(body.split(b":")[0]))
        if len(body) != len(b"%d:" % numbers[-1]) + numbers[-1] * 37 % 900:
            raise Broken(f"{numbers[-1]} of the stream has another body")
        channel.basic_ack(method.delivery_tag)
    channel.close()
    if numbers != sorted(set(numbers)):
        raise Broken("the stream is out of order")
    return numbers


def has_queue(connection, name):
    try:
        connection.channel().queue_declare(name, passive=True)
        return True
    except pika.exceptions.ChannelClosedByBroker:
        return False


def inspect(book, port):
    """Reads everything without taking it away, and settles what could not be known."""
    connection = connect(port)
    channel = connection.channel()
    declare(channel)
    # A dead letter that was delivered before its move was on the disk moves once more, as new.
    book.given = {given for given in book.given if given[1] != "dead"}
    there = {}
    short_lived = book.short_lived
    exists = bool(short_lived) and has_queue(connection, short_lived)
    for queue in list(QUEUES) + ([short_lived] if exists else []):
        while True:
            method, _, body = channel.basic_get(queue)
            if not method:
                break
            number = book.take(queue, method, body)
            if number in there:
                raise Broken(f"{number} is in {queue} and in {there[number]}")
            home = book.sent.get(number)
            if home != queue and (home, queue) != ("dying", "dead"):
                raise Broken(f"{number} of {home} is in {queue}")
            there[number] = queue
    there.update((number, LOG) for number in read_log(connection))
    for name in book.deleted[-3:]:
        if has_queue(connection, name):
            raise Broken(f"deleted queue {name} is back")
    if exists:
        connection.channel().queue_delete(short_lived)
    connection.close()
    lost = book.confirmed - book.may_be_gone - set(there)
    if lost:
        raise Broken(f"lost: {sorted(lost)[:10]} of {[book.sent[n] for n in sorted(lost)[:10]]}")
    back = book.gone & set(there)
    if back:
        raise Broken(f"came back: {sorted(back)[:10]}")
    for published, taken in book.transactions:
        states = {number in there for number in published} | {number not in there for number in taken}
        if len(states) > 1:
            raise Broken(f"half a transaction: {published} published, {taken} acknowledged, "
                         f"there: {sorted(set(published + taken) & set(there))}")
    if book.complaints:
        raise Broken(book.complaints[0])
    # Whatever is not there now is gone for good, and what is there is owed.
    book.gone = set(book.sent) - set(there)
    book.confirmed = {number for number, queue in there.items() if queue in QUEUES or queue == LOG}
    book.may_be_gone = set()
    book.short_lived = ""
    book.transactions = []
    if len(there) > STAKE_MAX:
        purge(book, port)
    return len(there)


def purge(book, port):
    """Keeps rounds short; and what a purge has answered must not come back either."""
    connection = connect(port)
    channel = connection.channel()
    for queue in QUEUES:
        channel.queue_purge(queue)
    channel.queue_delete(LOG)
    connection.close()
    book.gone = set(book.sent)
    book.confirmed = set()


def main(program, folder, rounds, seed):
    dice = random.Random(seed)
    book = Book()
    began = time.monotonic()
    most = recovery_kills = 0
    process, port = start(program, folder)
    for number in range(rounds):
        connection = connect(port)
        declare(connection.channel())
        threads = work(book, port, dice.getrandbits(64))
        time.sleep(dice.uniform(0.02, 0.4))
        kill(process)
        for thread in threads:
            thread.join()
        while dice.random() < 0.25:
            process = launch(program, folder)
            time.sleep(dice.uniform(0, 0.03))
            kill(process)
            recovery_kills += 1
        try:
            process, port = start(program, folder)
            most = max(most, inspect(book, port))
        except Broken as broken:
            print(f"round {number}, seed {seed}: {broken}; the data is in {folder}")
            return 1
        if number % 50 == 49:
            print(f"{number + 1} rounds: {book.counts}", flush=True)
    process.terminate()
    process.wait()
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s, {recovery_kills} kills while recovering, "
          f"at most {most} messages at stake; " +
          ", ".join(f"{count} {what}" for what, count in book.counts.items()))
    return 0 if book.counts["confirmed"] > rounds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]),
                  int(sys.argv[4]) if len(sys.argv) > 4 else os.getpid()))
