"""Devices under kill -9: publishers with QoS 1 and 2 and a reader with a session of its own, while the server dies again and
again. Every message that was acknowledged arrives, and one of QoS 2 once.

    python3 mqtt_trial.py [ROUNDS [PUBLISHERS]]    20 4; BATON_EXE names the executable
"""
import collections
import random
import socket
import sys
import threading
import time

import paho.mqtt.client as paho

import baton


class Publisher(threading.Thread):
    """Says numbers, and after each loss of its connection what the standard wants: PUBLISH again until PUBREC or PUBACK, then
    PUBREL until PUBCOMP. By hand, since paho 1.6 forgets which of the two it was when a second attempt to connect fails."""

    def __init__(self, port, number, qos, pause):
        super().__init__(daemon=True)
        self.port, self.number, self.qos, self.pause, self.stops = port, number, qos, pause, threading.Event()
        self.said, self.acknowledged, self.errors = 0, set(), []
        self.unreleased = {}  # packet id: number; PUBREC came, PUBCOMP did not
        self.unacknowledged = {}

    def connect(self):
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 5)
                self.bytes = b""
                name = f"publisher{self.number}".encode()
                body = b"\x00\x04MQTT\x04\xc0\x00\x0a" + sized(name) + sized(b"guest") + sized(b"guest")
                self.socket.sendall(bytes([0x10, len(body)]) + body)
                kind, answer = self.packet()
                assert kind == 0x20 and answer[1] == 0, answer
                return
            except OSError:
                time.sleep(0.1)

    def packet(self):
        while len(self.bytes) < 2 or len(self.bytes) < 2 + self.bytes[1]:
            some = self.socket.recv(4096)
            if not some:
                raise ConnectionError("the end")
            self.bytes += some
        size = 2 + self.bytes[1]
        packet, self.bytes = self.bytes[:size], self.bytes[size:]
        return packet[0], packet[2:]

    def publish(self, id, dup=0):
        body = sized(f"trial/{self.qos}".encode()) + id.to_bytes(2, "big") + f"{self.number}-{self.unacknowledged[id]}".encode()
        self.socket.sendall(bytes([0x30 | dup << 3 | self.qos << 1, len(body)]) + body)

    def release(self, id):
        self.socket.sendall(b"\x62\x02" + id.to_bytes(2, "big"))

    def run(self):
        while not self.stops.is_set() or self.unacknowledged or self.unreleased:
            try:
                self.connect()
                for id in self.unreleased:
                    self.release(id)
                for id in self.unacknowledged:
                    self.publish(id, 1)
                self.talk()
            except OSError:
                pass

    def talk(self):
        while not self.stops.is_set() or self.unacknowledged or self.unreleased:
            while not self.stops.is_set() and len(self.unacknowledged) + len(self.unreleased) < 10:
                id = 1 + self.said % 60000
                self.unacknowledged[id] = self.said
                self.said += 1
                self.publish(id)
                time.sleep(self.pause)  # a session's queue keeps 10,000
            kind, body = self.packet()
            id = int.from_bytes(body[:2], "big")
            if kind == 0x40 and id in self.unacknowledged:
                self.acknowledged.add(self.unacknowledged.pop(id))
            elif kind == 0x50 and id in self.unacknowledged:
                self.unreleased[id] = self.unacknowledged.pop(id)
                self.acknowledged.add(self.unreleased[id])
                self.release(id)
            elif kind == 0x70 and id in self.unreleased:
                del self.unreleased[id]
            else:
                self.errors.append((kind, id))

    def finish(self):
        self.stops.set()
        self.join(60)
        assert not self.is_alive(), f"publisher {self.number}: {len(self.unacknowledged)} messages were never acknowledged"


def sized(text):
    return len(text).to_bytes(2, "big") + text


def main(rounds=20, publishers=4):
    server = baton.Server()
    port, = baton.free_ports(1)
    server.env["BATON_BROKER_MQTT_LISTEN"] = f"127.0.0.1:{port}"
    server.start()
    seen = collections.Counter()
    reader = paho.Client("reader", clean_session=False)
    reader.username_pw_set("guest", "guest")
    reader.reconnect_delay_set(1, 1)
    reader.on_connect = lambda client, *more: client.subscribe([("trial/1", 1), ("trial/2", 2)])
    reader.on_message = lambda client, userdata, message: seen.update([(message.topic, message.payload.decode())])
    subscribed = threading.Event()
    reader.on_subscribe = lambda *more: subscribed.set()
    reader.connect("127.0.0.1", port, keepalive=5)
    reader.loop_start()
    assert subscribed.wait(20), "no SUBACK"
    # It is away while the server dies; a session waits. (A message on its way to a reader whose server is killed may come again.)
    reader.disconnect()
    reader.loop_stop()
    senders = [Publisher(port, number, 1 + number % 2, rounds * 3 * publishers / 8000) for number in range(publishers)]
    for sender in senders:
        sender.start()
    for number in range(rounds):
        time.sleep(random.uniform(0.3, 2))
        server.kill()
        server.start()
    time.sleep(2)
    for sender in senders:
        sender.finish()
    reader.reconnect()
    reader.loop_start()
    wanted = {(f"trial/{sender.qos}", f"{sender.number}-{one}") for sender in senders for one in sender.acknowledged}
    end = time.monotonic() + 120
    while time.monotonic() < end and not wanted <= set(seen):
        time.sleep(0.2)
    time.sleep(1)
    reader.loop_stop()
    lost = sorted(wanted - set(seen))
    twice = sorted(one for one, count in seen.items() if one[0] == "trial/2" and count > 1)
    again = sum(count - 1 for one, count in seen.items() if one[0] == "trial/1")
    print(f"{rounds} deaths, {len(wanted)} messages acknowledged, {len(lost)} lost, {len(twice)} of QoS 2 twice, {again} of QoS 1 again")
    for kind, some in (("lost", lost), ("twice", twice)):
        if some:
            print(kind, some[:10])
    server.close()
    return 1 if lost or twice else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
