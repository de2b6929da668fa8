"""Values on their way: from an input through a worker and back, into what is shown. No number becomes
another one, what is nested up to 64 levels arrives everywhere, and what cannot is refused by name."""
import json
import threading
import unittest
import urllib.error

import pika

import baton


class Worker:
    """Answers each task of a type with what `answer` makes of its body; keeps the bodies as text."""

    def __init__(self, server, task, answer):
        self.bodies, self.answer, self.queue = [], answer, "baton.task." + task
        self.connection = pika.BlockingConnection(pika.URLParameters(server.env["BATON_AMQP"]))
        self.channel = self.connection.channel()
        self.channel.basic_consume(self.queue, self.work)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.channel.start_consuming()
        except pika.exceptions.AMQPError:
            pass

    def work(self, channel, method, task, body):
        self.bodies.append(body.decode())
        channel.basic_publish("", task.reply_to, self.answer(body), pika.BasicProperties(
            type="completed", correlation_id=task.correlation_id, content_type="application/json"))
        channel.basic_ack(method.delivery_tag)

    def close(self):
        if self.thread.is_alive():
            self.connection.add_callback_threadsafe(self.channel.stop_consuming)
            self.thread.join(10)
        if self.connection.is_open:
            self.connection.close()


def nested(levels, inner=b"1"):
    return b'{"a":' * levels + inner + b"}" * levels


class ValuesTest(baton.ServerTest):
    def deploy(self, name, text):
        path = self.server.home / f"{name}.toml"
        path.write_text(f'workflow = "{name}"\n' + text)
        self.server.baton("deploy", str(path), check=0)

    def worker(self, task, answer=lambda body: body):
        worker = Worker(self.server, task, answer)
        self.addCleanup(worker.close)
        return worker

    def test_a_number_looks_as_people_write_it_and_stays_a_double(self):
        self.deploy("num", '[input]\ntotal = { type = "number", required = true }\n'
                    '[[step]]\nid = "a"\ntask = "num.a"\n'
                    'with = { plain = "${input.total}", said = "Total ${input.total} EUR", twice = "${input.total * 2.0}", '
                    'small = 0.1, cents = 1234567.89, big = 1e20 }\n'
                    '[[step]]\nid = "b"\ntask = "num.b"\nwith = "${a}"\n[output]\nb = "${b}"\n')
        first, second = self.worker("num.a"), self.worker("num.b")
        run = self.server.json("run", "num", "--set", "total:=1000")
        self.assertEqual(run["status"], "completed", run)
        for body in (first.bodies[0], second.bodies[0]):
            self.assertEqual(body, '{"plain":1000.0,"said":"Total 1000 EUR","twice":2000.0,"small":0.1,"cents":1234567.89,'
                                   '"big":100000000000000000000.0}')
        for verb in (("show", run["id"]), ("show", run["id"], "--json")):
            shown = self.server.baton(*verb, check=0).stdout
            self.assertIn("1000.0", shown)
            self.assertNotRegex(shown, r"[0-9]E[0-9]")

    def test_the_input_can_be_the_parameters(self):
        self.deploy("whole", '[input]\na = "string"\nn = "number"\nl = "array"\n[[step]]\nid = "a"\ntask = "whole.a"\nwith = "${input}"\n')
        worker = self.worker("whole.a")
        self.server.baton("run", "whole", "--set", "a=x", "--set", "n:=2", check=0)
        self.assertEqual(worker.bodies, ['{"a":"x","n":2.0}'])
        self.deploy("no-table", '[input]\na = "any"\n[[step]]\nid = "a"\ntask = "whole.a"\nwith = "${input.a}"\n')
        failed = self.server.baton("run", "no-table", "--set", "a:=[1]", check=1)
        self.assertIn("gives a value of type list, not a table", failed.stdout)

    def test_sixty_four_levels_arrive_everywhere(self):
        self.deploy("deep", '[input]\nx = "any"\n[[step]]\nid = "a"\ntask = "deep.a"\nwith = { x = "${input.x}" }\n'
                    '[[step]]\nid = "b"\ntask = "deep.b"\nwith = { v = "${a}", x = "${input.x}" }\n[output]\nall = "${a}"\n')
        self.worker("deep.a", lambda body: nested(64))
        second = self.worker("deep.b", lambda body: b'"ok"')
        path = self.server.home / "deep.json"
        path.write_bytes(b'{"x":' + nested(63) + b"}")
        run = self.server.json("run", "deep", "--input", f"@{path}")
        self.assertEqual(run["status"], "completed", run)
        self.assertEqual(second.bodies[0], '{"v":' + nested(64).decode() + ',"x":' + nested(63).decode() + "}")
        shown = self.server.json("show", run["id"])
        self.assertEqual(shown["steps"][0]["status"], "done")
        self.assertEqual(shown["steps"][0]["output"], json.loads(nested(64)))
        self.assertIn(nested(64).decode(), self.server.baton("show", run["id"], check=0).stdout)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.json("show", run["id"])["output"]["all"], json.loads(nested(64)))
        path.write_bytes(b'{"x":' + nested(64) + b"}")
        refused = self.server.baton("run", "deep", "--input", f"@{path}", check=2)
        self.assertIn("nested more than 64 levels deep", refused.stderr)

    def test_what_a_workflow_nests_without_end_is_its_failure(self):
        steps = "".join(f'[[step]]\nid = "s{i}"\nset = {{ v = "${{s{i - 1}}}" }}\n' for i in range(1, 140))
        self.deploy("onion", '[[step]]\nid = "s0"\nset = { v = 1 }\n' + steps)
        failed = self.server.baton("run", "onion", check=1)
        self.assertIn("nested more than 128 levels deep", failed.stdout)

    def test_a_result_that_is_no_json_is_the_attempts_failure(self):
        for number, (result, reason) in enumerate((
                (b'{"x":1e400}', "the number 1e400 is too large for a double"), (b'{"x":NaN}', "not JSON"),
                (b'{"x":-Infinity}', "not JSON"), (b'{"x":123456789012345678901}', "does not fit into 64 bits"),
                (nested(65), "nested more than 64 levels deep"))):
            with self.subTest(result[:30]):
                name = f"bad{number}"
                self.deploy(name, f'[[step]]\nid = "a"\ntask = "{name}.a"\nretry = {{ max_attempts = 1 }}\n')
                self.worker(f"{name}.a", lambda body, result=result: result)
                failed = self.server.baton("run", name, check=1)
                self.assertIn(reason, failed.stdout)
                letter = self.server.json("dead", "list")[0]
                self.assertEqual(letter["error_type"], "baton.bad_report")

    def test_a_start_with_a_number_that_would_become_another_is_refused(self):
        self.deploy("take", '[input]\nx = "any"\n[[step]]\nid = "a"\nset = { x = "${input.x}" }\n[output]\nx = "${a.x}"\n')
        for value, reason in (("123456789012345678901", "does not fit into 64 bits"), ("1e400", "too large for a double"),
                              (nested(66).decode(), "nested more than 64 levels deep")):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                request = '{"workflow":"take","input":{"x":%s}}' % value
                self.post_text("/api/runs", request)
            self.assertIn(refused.exception.code, (400, 422))
            self.assertIn(reason, refused.exception.read().decode())
            self.assertIn(reason, self.server.baton("run", "take", "--set", f"x:={value}", check=2).stderr)
        run = self.server.json("run", "take", "--set", "x:=18446744073709551615")
        self.assertEqual(run["output"], {"x": 18446744073709551615})

    def post_text(self, path, text):
        import base64
        import urllib.request
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}", data=text.encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        return urllib.request.urlopen(request, timeout=10).read()


if __name__ == "__main__":
    unittest.main()
