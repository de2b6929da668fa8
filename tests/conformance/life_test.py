"""The life of a connection: heartbeats of both sides, and alarms."""
import time
import unittest

import case
import wire


class LifeTest(case.Case):
    def test_a_silent_broker_beats(self):
        connection = self.connect(heartbeat=1)
        end = time.monotonic() + 3.2
        while time.monotonic() < end:
            connection.send(wire.frame(wire.HEARTBEAT, 0, b""))
            got = connection.receive(0.3)
            if got:
                connection.take(*got)
        self.say(f"heartbeats came: {connection.heartbeats >= 2}, too many: {connection.heartbeats > 8}")
        connection.channel(1)("basic.qos", prefetch_count=1)

    def test_a_silent_client_is_dropped(self):
        connection = self.connect(heartbeat=1)
        began = time.monotonic()
        self.say("dropped: " + str(connection.await_end(8)))
        lasted = time.monotonic() - began
        self.say(f"after two intervals or little more: {1.5 < lasted < 5}")

    def test_any_traffic_counts(self):
        connection = self.connect(heartbeat=1)
        channel = connection.channel(1)
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            channel.publish("", "nowhere", "m", says=False)
            channel.connection.next_event(1, 0.3)
        channel("basic.qos", prefetch_count=1)

    def test_no_heartbeat_was_agreed(self):
        connection = self.connect(heartbeat=0)
        got = connection.receive(2.5)
        self.say("nothing came: " + str(got is None))
        connection.channel(1)("basic.qos", prefetch_count=1)

    def test_publishers_wait_during_an_alarm(self):
        if not self.broker.can_alarm:
            self.skipTest("CONFORMANCE_URL: the alarm of that broker cannot be raised from here")
        publisher = self.open()
        idle = self.open()
        deaf = self.open(capabilities={})
        publisher("queue.declare", queue="q")
        publisher("confirm.select")
        self.broker.alarm(True)
        try:
            publisher.publish("", "q", "waits")
            event = publisher.connection.next_event(0, 5)
            self.say(f"the publisher hears {event and event.name}, with a reason: {bool(event and event.arguments['reason'])}")
            deaf.publish("", "q", "waits too")
            idle.quiet(0.3)
            self.say("idle connections and others are served")
            idle("basic.qos", prefetch_count=1)
        finally:
            self.broker.alarm(False)
        publisher.connection.read(0)
        publisher.read()
        idle.await_count("q", messages=2)


if __name__ == "__main__":
    unittest.main()
