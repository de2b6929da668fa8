"""Requests with an Idempotency-Key are done once and answered as before: at once, after kill -9, by another server of
the same database, and when the server ended within the act."""
import http.client
import threading
import unittest

import baton
import cluster
import v1

WAITS = """workflow = "waits"
[[step]]
id = "hold"
signal = "go"
[[step]]
id = "later"
signal = "later"
"""
NIGHTLY = """workflow = "nightly"
[[on]]
cron = "15 2 * * *"
overlap = "allow"
[[step]]
id = "hold"
signal = "go"
"""


def deploy(client):
    client.ask("PUT", "/workflows/waits", WAITS, 201, Content_Type="application/toml")
    client.ask("PUT", "/workflows/nightly", NIGHTLY, 201, Content_Type="application/toml")


def runs_of(client, workflow):
    return list(client.all("/runs", q=f"workflow:{workflow}"))


def facts(client, run, name):
    rows = client.get(f"/runs/{run}/history")["items"]
    return [fact for row in rows for fact in row["facts"] if fact["fact"] == name]


class Keys(baton.ServerTest):
    env = {"BATON_BROKER_USERS": "guest:guest,olga[baton-operator]:o"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = v1.Client(cls.server)
        deploy(cls.client)

    def start(self):
        return self.client.post("/runs", {"workflow": "waits"}, 201)["run"]

    def test_an_act_is_done_once_and_answered_as_before(self):
        run = self.start()
        first = self.client.ask("POST", f"/runs/{run}/pause", {"reason": "wait"}, 200, Idempotency_Key="once")
        self.assertNotIn("Idempotency-Replayed", first.headers)
        self.client.post(f"/runs/{run}/resume", {})
        again = self.client.ask("POST", f"/runs/{run}/pause", {"reason": "wait"}, 200, Idempotency_Key="once")
        self.assertEqual((again.body, again.headers["Idempotency-Replayed"]), (first.body, "true"))
        self.assertEqual(self.client.get("/runs/" + run)["status"], "running")
        self.assertEqual(len(facts(self.client, run, "pause_requested")), 1)
        acts = [one for one in self.client.all("/audit", target=f"/runs/{run}/pause")]
        self.assertEqual(len(acts), 1, "who is told again what was done did nothing")

    def test_a_key_is_for_one_request_of_one_user(self):
        run, other = self.start(), self.start()
        self.client.post(f"/runs/{run}/pause", {"reason": "wait"}, Idempotency_Key="mine")
        for path, body in ((f"/runs/{run}/pause", {"reason": "else"}), (f"/runs/{other}/pause", {"reason": "wait"}),
                           (f"/runs/{run}/resume", {"reason": "wait"})):
            refused = self.client.post(path, body, 422, Idempotency_Key="mine")
            self.assertEqual(refused["type"], "/problems/key_reused")
        olga = v1.Client(self.server, "olga", "o")
        self.assertEqual(olga.post(f"/runs/{other}/pause", {"reason": "hers"}, Idempotency_Key="mine")["run"], other)

    def test_a_refusal_stays_one_and_what_was_not_done_may_be_asked_again(self):
        run = self.start()
        self.client.post(f"/runs/{run}/resume", {}, 409, Idempotency_Key="refused")
        self.client.post(f"/runs/{run}/pause", {"reason": "wait"})
        self.client.post(f"/runs/{run}/resume", {}, 409, Idempotency_Key="refused")
        self.client.post(f"/runs/{run}/resume", {"resaon": "x"}, 400, Idempotency_Key="slip")
        self.client.post(f"/runs/{run}/resume", {"reason": "x"}, 200, Idempotency_Key="slip")
        self.client.post(f"/runs/{run}/pause", {"reason": "late"}, 412, Idempotency_Key="late", If_Match='"1"')
        tag = self.client.ask("GET", "/runs/" + run).headers["ETag"]
        self.client.post(f"/runs/{run}/pause", {"reason": "late"}, 200, Idempotency_Key="late", If_Match=tag)
        self.client.post(f"/runs/{run}/pause", {}, 400, Idempotency_Key="k" * 256)

    def test_every_kind_of_act_takes_a_key_and_secrets_take_none(self):
        run = self.start()
        wishes = [(f"/runs/{run}/signal", {"name": "later", "data": 1}), ("/schedules/nightly/run", {}), ("/workflows/waits/pause", {"reason": "r"}),
                  ("/tasks/some.task/pause", {"reason": "r"}), ("/tasks/some.task/resume", {}), ("/workflows/waits/resume", {}),
                  ("/operations", {"kind": "runs", "q": "label.team=none", "action": "retry"}),
                  ("/operations", {"kind": "dead", "action": "redrive", "all": True}),
                  (f"/runs/{run}/steps/hold/skip", {"reason": "r"})]
        for number, (path, body) in enumerate(wishes):
            with self.subTest(path=path):
                first = self.client.ask("POST", path, body, 200, Idempotency_Key=f"all-{number}")
                again = self.client.ask("POST", path, body, 200, Idempotency_Key=f"all-{number}")
                self.assertEqual((again.text, again.headers["Idempotency-Replayed"]), (first.text, "true"))
        self.assertEqual(len(runs_of(self.client, "nightly")), 1)
        self.client.post("/tokens", {"name": "t", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"}, 400, Idempotency_Key="t")

    def test_the_older_routes_take_a_key_too(self):
        run = self.start()
        for _ in range(2):
            self.assertEqual(self.alias(f"/api/runs/{run}/pause", {"reason": "wait"}, "alias")["run"], run)
        self.assertEqual(self.alias("/api/runs", {"workflow": "waits"}, "alias-start")["run"],
                         self.alias("/api/runs", {"workflow": "waits"}, "alias-start")["run"])

    def alias(self, path, body, key):
        import base64
        import json
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=30)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Idempotency-Key": key,
                                                            "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.assertIn(answer.status, (200, 201), text)
        return json.loads(text)

    def test_who_asks_while_it_is_done_is_told_so(self):
        self.client.ask("PUT", "/workflows/calls", 'workflow = "calls"\n[[step]]\nid = "a"\ntask = "no.such"\n', 201, Content_Type="application/toml")
        wish, answers, gate = {"with": {}, "timeout_ms": 5000}, [], threading.Barrier(2)

        def call():
            gate.wait()
            answers.append(self.client.ask("POST", "/tasks/no.such/call", wish, Idempotency_Key="slow"))
        both = [threading.Thread(target=call) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        busy, done = sorted(answers, key=lambda one: one.status)
        self.assertEqual((busy.status, busy.body["type"], done.status), (409, "/problems/key_in_use", 504))
        again = self.client.ask("POST", "/tasks/no.such/call", wish, 504, Idempotency_Key="slow")
        self.assertEqual((again.body, again.headers["Idempotency-Replayed"]), (done.body, "true"))
        self.client.post("/tasks/no.such/call", {**wish, "with": {"other": 1}}, 422, Idempotency_Key="slow")


class KeysAcrossCrashes(unittest.TestCase):
    def test_the_answer_outlives_the_server(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        client = v1.Client(server)
        deploy(client)
        first = client.post("/schedules/nightly/run", {}, Idempotency_Key="tonight")
        server.kill()
        server.start()
        self.assertEqual(client.post("/schedules/nightly/run", {}, Idempotency_Key="tonight"), first)
        self.assertEqual(len(runs_of(client, "nightly")), 1)

    # The act is done, and the server dies before it has kept the answer.
    def dies_within(self, path, body, setup):
        server = baton.Server().start()
        self.addCleanup(server.close)
        client = v1.Client(server)
        deploy(client)
        run = client.post("/runs", {"workflow": "waits"}, 201)["run"]
        setup(client, run)
        server.stop()
        server.env["TEST_FAIL_POINT"] = "answers.act_done:1"
        server.start()
        with self.assertRaises((OSError, http.client.HTTPException)):
            client.post(path.format(run=run), body, Idempotency_Key="within")
        server.process.wait()
        del server.env["TEST_FAIL_POINT"]
        server.start()
        return client, run, client.ask("POST", path.format(run=run), body, Idempotency_Key="within")

    def test_nobody_knows_of_an_act_that_the_server_ended_in_and_it_is_not_done_twice(self):
        client, _, told = self.dies_within("/schedules/nightly/run", {}, lambda client, run: None)
        self.assertEqual((told.status, told.body["type"]), (409, "/problems/key_undecided"))
        self.assertIn("nobody knows", told.body["detail"])
        self.assertEqual(len(runs_of(client, "nightly")), 1)

    def test_what_has_the_key_itself_is_found_again(self):
        client, run, told = self.dies_within("/runs/{run}/signal", {"name": "later", "data": 1}, lambda client, run: None)
        self.assertEqual((told.status, told.body["run"]), (200, run))
        client.post(f"/runs/{run}/signal", {"name": "later", "data": 1}, Idempotency_Key="within")
        self.assertEqual(len(facts(client, run, "signal_received")), 1)

    def test_a_bulk_act_that_the_server_ended_in_is_the_same_one(self):
        body = {"kind": "dead", "action": "redrive", "all": True}
        client, _, told = self.dies_within("/operations", body, lambda client, run: None)
        self.assertEqual(told.status, 200)
        self.assertEqual([one["id"] for one in client.all("/operations")], [told.body["id"]])


class KeysOfTwoServers(unittest.TestCase):
    def test_either_server_answers_as_the_other_did(self):
        house = cluster.Cluster(2)
        self.addCleanup(house.close)
        a, b = (v1.Client(node) for node in house.nodes)
        deploy(a)
        house.await_shared_out(house.nodes)
        for client, other in ((a, b), (b, a)):
            for _ in range(3):  # runs of both servers
                run = client.post("/runs", {"workflow": "waits"}, 201)["run"]
                first = client.post(f"/runs/{run}/pause", {"reason": "wait"}, Idempotency_Key=run)
                other.post(f"/runs/{run}/resume", {})
                self.assertEqual(other.post(f"/runs/{run}/pause", {"reason": "wait"}, Idempotency_Key=run), first)
                self.assertEqual(a.get("/runs/" + run)["status"], "running")
                other.post(f"/runs/{run}/terminate", {"reason": "over"}, 422, Idempotency_Key=run)
        ran = a.post("/schedules/nightly/run", {}, Idempotency_Key="tonight")
        house.nodes[0].kill()
        self.assertEqual(b.post("/schedules/nightly/run", {}, Idempotency_Key="tonight"), ran)
        self.assertEqual(len(runs_of(b, "nightly")), 1)


if __name__ == "__main__":
    unittest.main()
