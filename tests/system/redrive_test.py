"""Dead letters that belong to no run, sent again: a message is in its queue or still a dead letter,
whatever kills the server in between."""
import signal
import threading
import unittest

import baton
import task_queue

QUEUE = "baton.task.redrive.x"
WORKFLOW = 'workflow = "w"\n[[step]]\nid = "a"\ntask = "redrive.x"\n'


class RedriveTest(task_queue.TaskQueue, unittest.TestCase):
    queue = QUEUE

    def setUp(self):
        self.server = baton.Server().start()
        self.addCleanup(self.server.close)
        self.server.deploy(WORKFLOW)

    def make_letters(self, bodies):
        self.put_and_reject(bodies)
        baton.wait_for(lambda: len(self.letters()) == len(bodies), "the rejected messages are dead letters")
        return self.letters()

    def letters(self):
        newest_first = self.server.http_json(self.server.http, "/api/dead?limit=1000")
        return newest_first[::-1]

    def redrive(self, letter):
        return self.server.http_json(self.server.http, f"/api/dead/{letter['id']}/redrive", {}, method="POST")

    def test_nothing_is_lost_when_the_server_is_killed_while_it_sends_again(self):
        for stop in (0.02, 0.05, 0.1):
            with self.subTest(stop=stop):
                bodies = [b"m%d" % n for n in range(40)]
                letters = self.make_letters(bodies)
                killer = threading.Timer(stop, self.server.kill)
                killer.start()
                for letter in letters:
                    try:
                        self.redrive(letter)
                    except OSError:
                        break
                killer.join()
                self.server.start()

                still_open = {letter["id"] for letter in self.letters()}
                queued = self.queued()
                missing = [letter["id"] for letter, body in zip(letters, bodies)
                           if letter["id"] not in still_open and body not in [one for one, _ in queued]]
                self.assertEqual(missing, [])
                ids = [properties.message_id for _, properties in queued]
                self.assertTrue(all(ids) and len(set(ids)) == len({body for body, _ in queued}),
                                "a double carries the id of the first")
                for letter in self.letters():
                    self.server.http_json(self.server.http, f"/api/dead/{letter['id']}", method="DELETE")

    def test_one_that_is_refused_does_not_keep_the_others(self):
        letters = self.make_letters([b"1", b"2"])
        done = self.server.baton("dead", "redrive", "999", *[str(letter["id"]) for letter in letters])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("dead letter 999:", done.stderr)
        self.assertIn("2 dead letter(s) sent again", done.stdout)
        self.assertEqual(self.letters(), [])
        self.server.baton("dead", "drop", "", check=2)

    def test_what_the_broker_does_not_take_is_accepted_and_happens_later(self):
        outside = baton.BrokerAlone()
        self.addCleanup(outside.close)
        server = baton.Server(env={"BATON_BROKER_URL": outside.url})
        server.amqp = outside.amqp
        server.env["BATON_AMQP"] = outside.url
        self.addCleanup(server.close)
        self.server = server.start()
        self.server.deploy(WORKFLOW)
        [letter] = self.make_letters([b"late"])
        outside.process.send_signal(signal.SIGSTOP)
        self.addCleanup(outside.process.send_signal, signal.SIGCONT)

        said = self.server.baton("dead", "redrive", str(letter["id"]))

        self.assertEqual(said.returncode, 3, said.stderr)
        self.assertIn("it is sent again when database and broker are back, and stays open until then", said.stderr)
        self.assertEqual(len(self.letters()), 1)
        outside.process.send_signal(signal.SIGCONT)
        baton.wait_for(lambda: self.letters() == [], "the letter is marked", 60)
        bodies = {(body, properties.message_id) for body, properties in self.queued()}
        self.assertEqual([body for body, _ in bodies], [b"late"], "once, or twice with one id")

    def test_a_message_whose_queue_is_gone_stays_a_dead_letter(self):
        with self.channel() as channel:
            channel.queue_declare("own", arguments={
                "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "baton.dead"})
            channel.basic_publish("", "own", b"hello")
            method, _, _ = channel.basic_get("own")
            channel.basic_reject(method.delivery_tag, requeue=False)
            baton.wait_for(self.letters, "the rejected message is a dead letter")
            channel.queue_delete("own")

        answer = self.server.baton("dead", "redrive", str(self.letters()[0]["id"]))

        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("no queue takes it any more", answer.stderr)
        self.assertEqual(len(self.letters()), 1)


if __name__ == "__main__":
    unittest.main()
