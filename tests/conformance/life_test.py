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

    def alarmed(self):
        if not self.broker.can_alarm:
            self.skipTest("CONFORMANCE_URL: the alarm of that broker cannot be raised from here")
        self.broker.alarm(True)

    def test_who_published_before_an_alarm_goes_on_consuming(self):
        both = self.open()
        both("queue.declare", queue="q")
        for body in ("one", "two", "three"):
            both.publish("", "q", body)
        both.await_count("q", messages=3)
        self.alarmed()
        try:
            both("basic.get", queue="q")
            both("basic.ack", delivery_tag=1)
            both("basic.consume", queue="q", consumer_tag="c")
            both.read(2)
            both("basic.ack", delivery_tag=3, multiple=True)
            both("queue.declare", queue="q", passive=True)
        finally:
            self.broker.alarm(False)

    def test_the_first_publish_of_a_new_connection_waits_for_the_end_of_an_alarm(self):
        idle = self.open()
        idle("queue.declare", queue="q")
        self.alarmed()
        try:
            for _ in range(3):
                new = self.open()
                new("basic.qos", prefetch_count=1)
                new.publish("", "q", "waits")
                event = new.connection.next_event(0, 5)
                self.say(f"it hears {event and event.name}")
            time.sleep(0.5)
            idle("queue.declare", queue="q", passive=True)
        finally:
            self.broker.alarm(False)
        idle.await_count("q", messages=3)

    def test_a_connection_may_end_while_its_publish_waits(self):
        idle = self.open()
        idle("queue.declare", queue="q")
        self.alarmed()
        try:
            new = self.open()
            new.publish("", "q", "waits")
            new.connection.next_event(0, 5)
            new.connection.drop()
            self.say("gone")
        finally:
            self.broker.alarm(False)
        idle("basic.qos", prefetch_count=1)


if __name__ == "__main__":
    unittest.main()
