"""/baton/v1 from outside: pages, problems, ETags, acts with previews, workflows, dead letters, operations, sessions,
and events. Each answer is checked against web/openapi.yaml by v1.py."""
import json
import time
import unittest
import urllib.parse

import baton
import task_queue
import v1

ORDER = """workflow = "order"
on_cancel = "compensate"
[input]
name = { type = "string", required = true }
count = { type = "integer", min = 1, default = 1 }
[[step]]
id = "reserve"
task = "v.reserve"
compensate = { task = "v.release" }
[[step]]
id = "pay"
task = "v.pay"
retry = { max_attempts = 1 }
[output]
paid = "${pay.id}"
"""
GREET = """workflow = "greet"
[[step]]
id = "text"
set = { greeting = "Hello" }
"""


class V1(baton.ServerTest, task_queue.TaskQueue):
    env = {"BATON_BROKER_USERS": "guest:guest,vera[baton-viewer]:v,olga[baton-operator]:o,dora[baton-deployer]:d,nemo:n"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.taken = {}
        cls.client = v1.Client(cls.server)
        cls.client.ask("PUT", "/workflows/order", ORDER, 201, Content_Type="application/toml")
        cls.client.ask("PUT", "/workflows/greet", GREET, 201, Content_Type="application/toml")

    def start(self, workflow="order", **more):
        body = {"workflow": workflow, **({"input": {"name": "Ada"}} if workflow == "order" else {}), **more}
        return self.client.post("/runs", body, 201)["run"]

    def take(self, task, run):
        """The task of this run; those of others are kept for who takes them."""
        self.queue = "baton.task." + task

        def found():
            for _, properties in self.queued():
                self.taken.setdefault((task, properties.headers["baton-run"]), []).append(properties)
            mine = self.taken.get((task, run))
            return mine.pop() if mine else None
        return baton.wait_for(found, f"{task} of {run}")

    def status_is(self, run, status):
        baton.wait_for(lambda: self.client.get("/runs/" + run)["status"] == status, f"{run} is {status}")

    # ---- reading --------------------------------------------------------------------------------

    def test_what_is_open_needs_nobody(self):
        stranger = v1.Client(self.server, user=None)
        self.assertEqual(stranger.get("/health")["parts"]["store"], "ok")
        stranger.get("/ready")
        self.assertEqual(stranger.get("/version")["product"], "Baton")
        self.assertIn("openapi: 3.1.0", stranger.ask("GET", "/openapi.yaml", status=200).text)
        refused = stranger.ask("GET", "/runs", status=401, X_Request_Id="abc")
        self.assertEqual(refused.headers["X-Request-Id"], "abc")
        self.assertEqual(refused.body["type"], "/problems/unauthorized")

    def test_runs_come_page_by_page_and_none_twice(self):
        runs = {self.start("greet", labels={"set": "pages"}) for _ in range(7)}
        seen = [run["id"] for run in self.client.all("/runs", q="label.set=pages", limit=3)]
        self.assertEqual((len(seen), set(seen)), (7, runs))
        page = self.client.get("/runs?" + urllib.parse.urlencode({"q": "label.set=pages", "limit": 3}))
        self.assertEqual((page["count"], page["count_is_exact"], len(page["items"])), (7, True, 3))
        self.assertEqual(sum(page["by_status"].values()), 7)
        self.assertIsNone(self.client.get("/runs?count=false")["count"])

    def test_a_wrong_query_names_its_column(self):
        refused = self.client.ask("GET", "/runs?q=" + urllib.parse.quote("workflow:greet sttaus:failed"), status=400).body
        self.assertEqual(refused["type"], "/problems/bad_query")
        self.assertEqual(refused["errors"][0]["column"], 16)
        self.assertIn("did you mean 'status'?", refused["errors"][0]["message"])
        for path in ("/runs?limit=501", "/runs?after=nonsense", "/runs?state=failed", "/workers?limit=0"):
            self.client.ask("GET", path, status=400)
        self.client.ask("GET", "/runs/0193a5c2-7d41-7000-8000-00000000dead", status=404)

    def test_input_that_does_not_fit_is_named_place_by_place(self):
        refused = self.client.ask("POST", "/runs", {"workflow": "order", "input": {"count": 0}}, 422).body
        self.assertEqual({error["pointer"] for error in refused["errors"]}, {"/input/name", "/input/count"})
        self.client.ask("POST", "/runs", "name=Ada", 415, Content_Type="application/x-www-form-urlencoded")
        self.client.ask("POST", "/runs", {"workflow": "order", "inptu": {}}, 400)

    def test_what_was_read_is_not_sent_again(self):
        run = self.start()
        first = self.client.ask("GET", "/runs/" + run, status=200)
        self.assertEqual(first.headers["ETag"], f'"{first.body["seq"]}"')
        again = self.client.ask("GET", "/runs/" + run, status=304, If_None_Match=first.headers["ETag"])
        self.assertEqual(again.text, "")
        self.client.post(f"/runs/{run}/pause", {"reason": "wait"})
        self.client.ask("GET", "/runs/" + run, status=200, If_None_Match=first.headers["ETag"])

    def test_a_run_from_all_sides(self):
        run = self.start(key="sides", labels={"team": "ops"})
        reserve = self.take("v.reserve", run)
        self.complete(reserve, {"id": 7})
        self.take("v.pay", run)
        details = self.client.get("/runs/" + run)
        self.assertEqual([step["status"] for step in details["steps"]], ["done", "dispatched"])
        self.assertEqual(self.client.get(f"/runs/{run}/steps")["count"], 2)
        self.assertEqual(self.client.get(f"/runs/{run}/steps/reserve")["output"], {"id": 7})
        self.client.get(f"/runs/{run}/steps/nothing", 404)
        graph = self.client.get(f"/runs/{run}/graph")
        self.assertEqual({node["path"]: node["status"] for node in graph["nodes"]}, {"reserve": "done", "pay": "dispatched"})
        self.assertEqual([(edge["from"], edge["to"]) for edge in graph["edges"]], [("reserve", "pay")])
        rows = self.client.get(f"/runs/{run}/timeline")["rows"]
        self.assertEqual([row["step"] for row in rows], ["reserve", "pay"])
        self.assertEqual(rows[1]["segments"][-1]["kind"], "queued")
        history = self.client.get(f"/runs/{run}/history?limit=1")
        self.assertEqual((len(history["items"]), history["next"]), (1, 1))
        self.assertEqual(history["run"]["id"], run)
        relations = {one["relation"]: one for one in self.client.get(f"/runs/{run}/related")["items"]}
        self.assertGreaterEqual(relations["same_workflow"]["count"], 1)

    def test_the_overview_counts_and_names_who_is_missing(self):
        run = self.start()
        overview = self.client.get("/overview")
        self.assertGreaterEqual(overview["runs"]["running"], 1)
        self.assertIn("v.reserve", [one["task"] for one in overview["tasks_without_worker"]])
        [task] = [one for one in self.client.all("/tasks") if one["task"] == "v.reserve"]
        self.assertEqual(task["consumers"], 0)
        self.assertGreaterEqual(self.client.get("/tasks/v.reserve")["waiting"], 1)
        self.client.get("/tasks/no.such", 404)
        self.assertEqual(self.client.get("/workers")["items"], [])
        self.client.get("/workers/nobody", 404)
        self.client.post(f"/runs/{run}/terminate", {"reason": "over"})

    def test_a_start_with_a_key_happens_once(self):
        first = self.client.post("/runs", {"workflow": "greet"}, 201, Idempotency_Key="k-1")
        again = self.client.post("/runs", {"workflow": "greet"}, 200, Idempotency_Key="k-1")
        self.assertEqual((again["run"], again["new"]), (first["run"], False))
        self.client.post("/runs", {"workflow": "order", "input": {"name": "Ada"}}, 201, Idempotency_Key="k-2")
        self.client.post("/runs", {"workflow": "order", "input": {"name": "Bob"}}, 422, Idempotency_Key="k-2")
        self.client.post("/runs", {"workflow": "greet", "key": "k"}, 400, Idempotency_Key="k")

    def test_views_are_each_users_own(self):
        vera, olga = v1.Client(self.server, "vera", "v"), v1.Client(self.server, "olga", "o")
        kept = vera.ask("PUT", "/views/" + urllib.parse.quote("Late & failed", safe=""), {"q": "status:failed since:1d"}, 200).body
        self.assertEqual((kept["name"], kept["q"]), ("Late & failed", "status:failed since:1d"))
        vera.ask("PUT", "/views/all", {"q": ""}, 200)
        refused = vera.ask("PUT", "/views/wrong", {"q": "sttaus:failed"}, 400).body
        self.assertIn("did you mean 'status'?", refused["detail"])
        vera.ask("PUT", "/views/wrong", {"query": "x"}, 400)
        vera.ask("PUT", "/views/" + "x" * 201, {"q": ""}, 400)
        self.assertEqual([one["name"] for one in vera.all("/views", limit=1)], ["Late & failed", "all"])
        self.assertEqual(olga.get("/views")["items"], [])
        olga.ask("DELETE", "/views/all", status=404)
        vera.ask("DELETE", "/views/all", status=204)
        self.server.kill()
        self.server.start()
        self.assertEqual([one["name"] for one in vera.all("/views")], ["Late & failed"])

    # ---- acts -----------------------------------------------------------------------------------

    def test_a_preview_of_a_cancel_is_what_the_cancel_then_does(self):
        run = self.start()
        self.complete(self.take("v.reserve", run), {"id": 7})
        self.take("v.pay", run)
        seen = self.client.post(f"/runs/{run}/cancel?dry_run=true", {"reason": "wrong person"})
        self.assertEqual((seen["allowed"], seen["before"], seen["after"]), (True, "running", "compensating"))
        self.assertEqual(seen["sends"], [{"step": "reserve", "undo": True, "task": "v.release"}])
        self.assertEqual(self.client.get("/runs/" + run)["status"], "running")

        done = self.client.post(f"/runs/{run}/cancel", {"reason": "wrong person"})
        self.assertEqual(done["status"], "compensating")
        self.complete(self.take("v.release", run))
        self.status_is(run, "cancelled")
        facts = [fact for row in self.client.get(f"/runs/{run}/history")["items"] for fact in row["facts"]]
        undone = [fact["step"] for fact in facts if fact["fact"] == "task_dispatched" and fact.get("undo")]
        self.assertEqual(undone, [one["step"] for one in seen["sends"]])

        refused = self.client.post(f"/runs/{run}/cancel?dry_run=true")
        self.assertEqual((refused["allowed"], refused["sends"]), (False, []))
        self.assertIn("cancelled", refused["detail"])
        self.assertEqual(self.client.post(f"/runs/{run}/cancel", {}, 409)["type"], "/problems/refused")

    def test_whoever_saw_an_older_state_does_nothing(self):
        run = self.start()
        tag = self.client.ask("GET", "/runs/" + run).headers["ETag"]
        self.client.post(f"/runs/{run}/pause", {"reason": "first"}, If_Match=tag)
        late = self.client.ask("POST", f"/runs/{run}/terminate", {"reason": "second"}, 412, If_Match=tag)
        self.assertEqual(late.body["run"]["status"], "paused")
        self.assertNotEqual(late.headers["ETag"], tag)
        self.assertEqual(self.client.get("/runs/" + run)["status"], "paused")
        self.client.post(f"/runs/{run}/terminate", {"reason": "second"}, If_Match=late.headers["ETag"])

    def all_at_once(self, words, ask):
        """What `ask` of each word answers, all asked in the same moment."""
        import threading
        answers = {}
        gate = threading.Barrier(len(words))

        def act(word):
            gate.wait()
            answers[word] = ask(word)
        threads = [threading.Thread(target=act, args=[word]) for word in words]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def test_of_several_who_deploy_over_the_same_version_one_wins_each_time(self):
        text = GREET.replace('"greet"', '"raced"')
        self.client.ask("PUT", "/workflows/raced", text, 201, Content_Type="application/toml")
        for turn in range(10):
            tag = self.client.ask("GET", "/workflows/raced").headers["ETag"]
            answers = self.all_at_once("abcd", lambda word: self.client.ask(
                "PUT", "/workflows/raced", text + f"# {turn} {word}\n", Content_Type="application/toml", If_Match=tag))
            statuses = {word: answer.status for word, answer in answers.items()}
            self.assertEqual(sorted(statuses.values()), [201, 412, 412, 412], f"turn {turn}: {statuses}")
            live = self.client.ask("GET", "/workflows/raced").headers["ETag"]
            for answer in answers.values():
                if answer.status == 412:
                    self.assertEqual((answer.body["type"], answer.headers["ETag"]), ("/problems/stale", live))
        self.assertEqual(len(self.client.get("/workflows/raced")["versions"]), 11)

    def test_of_two_who_act_on_the_same_version_one_wins_each_time(self):
        for turn in range(10):
            run = self.start("order")
            tag = self.client.ask("GET", "/runs/" + run).headers["ETag"]
            answers = self.all_at_once(("pause", "terminate", "cancel", "steps/reserve/skip"), lambda word: self.client.ask(
                "POST", f"/runs/{run}/{word}", {"reason": word}, If_Match=tag))
            statuses = {word: answer.status for word, answer in answers.items()}
            self.assertEqual(sorted(statuses.values()), [200, 412, 412, 412], f"turn {turn}: {statuses}")
            for answer in answers.values():
                if answer.status == 412:
                    self.assertEqual(answer.body["type"], "/problems/stale")
                    self.assertGreater(answer.body["run"]["seq"], int(tag.strip('"')))
                    self.assertEqual(answer.headers["ETag"], f'"{answer.body["run"]["seq"]}"')
            self.client.ask("POST", f"/runs/{run}/terminate", {"reason": "over"}, If_Match="*")

    def test_steps_are_acted_upon_by_their_path(self):
        run = self.start()
        self.client.post(f"/runs/{run}/steps/reserve/skip", {}, 400)  # without a reason
        seen = self.client.post(f"/runs/{run}/steps/reserve/skip?dry_run=true", {"reason": "by hand"})
        self.assertIn({"step": "pay", "undo": False, "task": "v.pay"}, seen["sends"])
        self.client.post(f"/runs/{run}/steps/reserve/skip", {"reason": "by hand"})
        self.client.post(f"/runs/{run}/steps/pay/output", {"output": {"id": 9}, "reason": "paid in cash"})
        self.status_is(run, "completed")
        self.assertEqual(self.client.get("/runs/" + run)["output"], {"paid": 9})

    # ---- workflows ------------------------------------------------------------------------------

    def test_a_file_is_checked_deployed_compared_and_taken_back(self):
        wrong = self.client.post("/workflows/check", {"source": 'workflow = "w"\n[[step]]\nid = "a"\nafter = ["b"]\ntask = "x.y"\n'})
        self.assertEqual((wrong["ok"], wrong["diagnostics"][0]["line"]), (False, 4))
        self.assertTrue(self.client.ask("POST", "/workflows/check", GREET, 200, Content_Type="application/toml").body["ok"])
        refused = self.client.ask("PUT", "/workflows/two", 'workflow = "two"\nstepp = 1\n', 422, Content_Type="application/toml")
        self.assertGreaterEqual(refused.body["errors"][0]["line"], 1)
        self.client.ask("PUT", "/workflows/other", GREET, 422, Content_Type="application/toml")
        self.client.ask("PUT", "/workflows/greet", "x", 415, Content_Type="text/plain")

        first = GREET.replace('"greet"', '"two"')
        self.client.ask("PUT", "/workflows/two", first, 201, Content_Type="application/toml")
        tag = self.client.ask("GET", "/workflows/two").headers["ETag"]
        second = first.replace('"Hello"', '"Hi"')
        self.client.ask("PUT", "/workflows/two", second, 201, Content_Type="application/toml", If_Match=tag)
        self.client.ask("PUT", "/workflows/two", first + "\n# late\n", 412, Content_Type="application/toml", If_Match=tag)
        lines = self.client.get("/workflows/two/diff?from=1&to=2")["lines"]
        self.assertEqual([line["text"] for line in lines if line["op"] != " "],
                         ['set = { greeting = "Hello" }', 'set = { greeting = "Hi" }'])
        self.assertEqual(self.client.post("/workflows/two/rollback", {"version": 1}, 201)["version"], 1)
        shown = self.client.get("/workflows/two")
        self.assertEqual([(one["version"], one["live"]) for one in shown["versions"]], [(2, False), (1, True)])
        self.assertEqual(self.client.get("/workflows/two/versions/2")["source"], second)
        self.client.get("/workflows/two/versions/9", 404)
        self.assertEqual(self.client.get("/workflows/two/graph")["version"], 1)
        self.client.ask("DELETE", "/workflows/two", status=200)
        self.client.get("/workflows/nothing", 404)

        schema = self.client.get("/workflows/order")["input_schema"]
        self.assertEqual(schema["required"], ["name"])
        self.assertEqual(schema["properties"]["count"]["default"], 1)

    def test_a_paused_workflow_and_task_type_say_so(self):
        self.assertTrue(self.client.post("/workflows/greet/pause", {"reason": "holidays"})["paused"])
        [greet] = [one for one in self.client.all("/workflows") if one["name"] == "greet"]
        self.assertEqual(greet["paused"]["reason"], "holidays")
        self.client.post("/workflows/greet/resume")
        self.client.post("/tasks/v.pay/pause", {"reason": "bank moves"})
        self.assertEqual(self.client.get("/tasks/v.pay")["paused"]["reason"], "bank moves")
        self.client.post("/tasks/v.pay/resume")

    # ---- dead letters and operations --------------------------------------------------------------

    def fail_as(self, run, kind):
        pay = self.take("v.pay", run)
        with self.channel() as channel:
            import pika
            channel.basic_publish("", pay.reply_to, json.dumps({"type": kind, "detail": "no", "retryable": False}).encode(),
                                  pika.BasicProperties(type="failed", correlation_id=pay.correlation_id, delivery_mode=2))
        self.status_is(run, "failed")

    def test_dead_letters_by_cause_and_one_redriven_by_its_step(self):
        runs = [self.start() for _ in range(3)]
        for run in runs:
            self.complete(self.take("v.reserve", run), {"id": 7})
            self.fail_as(run, "card.declined")
        [group] = [one for one in self.client.all("/dead/groups") if one["error_type"] == "card.declined"]
        self.assertEqual(group["count"], 3)
        query = urllib.parse.urlencode({"group": group["group"], "limit": 2})
        page = self.client.get("/dead?" + query)
        self.assertEqual((page["count"], page["count_is_exact"], len(page["items"])), (3, True, 2))
        self.assertNotIn("input", page["items"][0])
        self.assertEqual({one["run"] for one in self.client.all("/dead", group=group["group"], limit=2)}, set(runs))
        self.assertIn("input", self.client.get(f"/dead/{page['items'][0]['id']}"))

        trial = self.client.post("/operations", {"kind": "dead", "action": "redrive", "group": group["group"], "dry_run": True})
        self.assertEqual((trial["count"], len(trial["samples"])), (3, 3))
        self.client.post(f"/runs/{runs[0]}/steps/pay/retry")
        self.client.post(f"/runs/{runs[0]}/steps/pay/retry", status=409)
        self.complete(self.take("v.pay", runs[0]), {"id": 1})
        self.status_is(runs[0], "completed")

        begun = self.client.post("/operations", {"kind": "dead", "action": "redrive", "group": group["group"], "rate": "100/s"})
        baton.wait_for(lambda: self.client.get("/operations/" + begun["id"])["state"] == "done", "both are sent again")
        self.assertEqual(self.client.get("/operations/" + begun["id"])["done"], 2)
        self.assertIn(begun["id"], [one["id"] for one in self.client.all("/operations")])
        for run in runs[1:]:
            self.client.post(f"/runs/{run}/terminate", {"reason": "over"})

    def test_many_runs_are_previewed_and_then_touched(self):
        runs = {self.start(labels={"set": "many"}) for _ in range(5)}
        wish = {"kind": "runs", "q": "label.set=many", "action": "terminate", "reason": "over", "rate": "100/s"}
        trial = self.client.post("/operations", {**wish, "dry_run": True})
        self.assertEqual((trial["count"], {run["id"] for run in trial["samples"]}), (5, runs))
        begun = self.client.post("/operations", wish)
        baton.wait_for(lambda: self.client.get("/operations/" + begun["id"])["state"] == "done", "all are ended")
        self.assertEqual({self.client.get("/runs/" + run)["status"] for run in runs}, {"cancelled"})
        self.client.post(f"/operations/{begun['id']}/stop", status=404)  # it does not run any more
        self.client.get("/operations/runs-999", 404)
        self.client.get("/operations/what", 404)
        self.client.post("/operations", {"kind": "cats", "action": "terminate"}, 400)

    # ---- who may what -----------------------------------------------------------------------------

    def test_each_role_does_what_it_may_and_no_more(self):
        run = self.start()
        asked = {"viewer": ("GET", "/runs/" + run, None), "operator": ("POST", f"/runs/{run}/retry?dry_run=true", {}),
                 "deployer": ("PUT", "/workflows/greet", {"source": GREET})}
        may = {"vera:v": {"viewer"}, "olga:o": {"viewer", "operator"}, "dora:d": {"viewer", "deployer"}, "nemo:n": set()}
        for user, roles in may.items():
            client = v1.Client(self.server, *user.split(":"))
            for role, (method, path, body) in asked.items():
                answer = client.ask(method, path, body)
                self.assertEqual(answer.status == 403, role not in roles, f"{user} {role} {answer.text}")
        self.client.post(f"/runs/{run}/terminate", {"reason": "over"})

    def test_a_session_begins_with_a_form_and_ends(self):
        page = v1.Client(self.server, user=None)
        origin = {"Origin": f"http://127.0.0.1:{self.server.http}"}
        page.ask("POST", "/session", {"user": "vera", "password": "wrong"}, 401, **origin)
        page.ask("POST", "/session", {"user": "vera"}, 401, **origin)
        page.ask("POST", "/session", "x" * 5000, 413, **origin)
        page.ask("POST", "/session", {"user": "vera", "password": "v"}, 403, Origin="http://evil.example")
        begun = page.ask("POST", "/session", {"user": "vera", "password": "v"}, 200, **origin)
        self.assertEqual((begun.body["roles"], begun.body["idle_seconds"]), (["viewer"], 1800))
        cookie = begun.headers["Set-Cookie"]
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)
        cookie = cookie.split(";")[0]
        me = page.get("/me", Cookie=cookie)
        self.assertEqual((me["user"], me["session"], me["roles"]), ("vera", True, ["viewer"]))
        page.get("/runs", Cookie=cookie)
        self.assertEqual(self.client.get("/me")["session"], False)
        page.ask("DELETE", "/session", status=403, Cookie=cookie)  # a change says where it comes from
        page.ask("DELETE", "/session", status=204, Cookie=cookie, **origin)
        page.get("/me", 401, Cookie=cookie)

    def test_sessions_are_listed_and_ended_by_whoever_may(self):
        origin = {"Origin": f"http://127.0.0.1:{self.server.http}"}
        vera = v1.Client(self.server, user=None)
        cookies = [vera.ask("POST", "/session", {"user": "vera", "password": "v"}, 200, **origin).headers["Set-Cookie"].split(";")[0] for _ in range(2)]
        own = vera.get("/sessions", Cookie=cookies[0])["items"]
        self.assertEqual([(one["user"], one["address"], one["this"]) for one in own[-2:]], [("vera", "127.0.0.1", True), ("vera", "127.0.0.1", False)])
        self.assertTrue(all(name.split("=")[1] not in str(own) for name in cookies), "nobody learns a session's name")
        vera.get("/sessions?all=true", 403, Cookie=cookies[0])
        olga = v1.Client(self.server, "olga", "o")
        olga.ask("DELETE", "/sessions/" + own[-1]["id"], status=404)
        vera.ask("DELETE", "/sessions/" + own[-1]["id"], status=204, Cookie=cookies[0], **origin)
        vera.get("/me", 401, Cookie=cookies[1])
        self.assertIn(own[-2]["id"], [one["id"] for one in self.client.get("/sessions?all=true")["items"]])
        self.client.ask("DELETE", "/sessions/" + own[-2]["id"], status=204)
        vera.get("/me", 401, Cookie=cookies[0])

    def test_waits_of_open_runs_are_told_by_their_kind(self):
        self.client.ask("PUT", "/workflows/outside", """workflow = "outside"
[[step]]
id = "paid"
signal = "paid"
[[step]]
id = "nap"
after = []
wait = "2h"
[[step]]
id = "either"
after = []
first_of = { boss = { approval = { title = "May it?", by = ["guest"] } }, late = { wait = "2d" } }
""", 201, Content_Type="application/toml")
        run = self.start("outside")

        def waits(**query):
            return {one["step"]: one for one in self.client.all("/waits", **query) if one["run"] == run}
        baton.wait_for(lambda: len(waits()) == 3, "the run waits")
        self.assertEqual({step: one["kind"] for step, one in waits().items()}, {"paid": "signal", "nap": "timer", "either": "first_of"})
        self.assertEqual(waits(kind="signal")["paid"]["wanted"], {"signal": "paid"})
        self.assertIsNone(waits()["nap"]["wanted"])
        self.assertIsNotNone(waits()["nap"]["until"])
        self.client.get("/waits?kind=dream", 400)
        self.assertEqual([one["step"] for one in self.client.all("/approvals", mine="true") if one["run"] == run], ["either"])
        self.client.post(f"/runs/{run}/signal", {"name": "paid"})
        baton.wait_for(lambda: "paid" not in waits(), "the wait is over")
        self.client.post(f"/runs/{run}/terminate", {"reason": "over"})
        self.assertEqual(waits(), {})

    def test_runs_are_acted_upon_by_a_list_of_their_ids(self):
        runs = [self.start() for _ in range(3)]
        q = "run:" + ",".join(runs[:2])
        trial = self.client.post("/operations", {"kind": "runs", "q": q, "action": "terminate", "reason": "over", "dry_run": True})
        self.assertEqual((trial["count"], sorted(one["id"] for one in trial["samples"])), (2, sorted(runs[:2])))
        begun = self.client.post("/operations", {"kind": "runs", "q": q, "action": "terminate", "reason": "over", "rate": "100/s"})
        baton.wait_for(lambda: self.client.get("/operations/" + begun["id"])["state"] == "done", "the operation ends")
        self.assertEqual([one["id"] for one in self.client.all("/runs", q=q + " status:closed")], sorted(runs[:2], reverse=True))
        self.assertEqual(self.client.get("/runs/" + runs[2])["status"], "running")
        self.client.post(f"/runs/{runs[2]}/terminate", {"reason": "over"})

    def test_a_token_stands_for_its_user_until_it_ends_and_no_longer(self):
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        olga = v1.Client(self.server, "olga", "o")
        olga.post("/tokens", {"name": "ci", "role": "deployer", "expires_at": until}, 403)
        olga.post("/tokens", {"name": "ci", "role": "viewer"}, 400)
        olga.post("/tokens", {"name": "ci", "role": "viewer", "expires_at": "2036-01-01T00:00:00Z"}, 400)
        made = olga.post("/tokens", {"name": "ci", "role": "viewer", "expires_at": until}, 201)
        token = v1.Client(self.server, user=None)
        token.login = "Bearer " + made["token"]
        self.assertEqual((token.get("/me")["user"], token.get("/me")["kind"], token.get("/me")["roles"]), ("olga", "token", ["viewer"]))
        token.post("/runs", {"workflow": "greet"}, 403)  # its user may, it may not
        token.post("/tokens", {"name": "more", "role": "viewer", "expires_at": until}, 403)
        self.assertNotIn(made["token"], (self.server.home / "data" / "tokens.json").read_text())

        self.server.kill()
        self.server.start()
        self.assertEqual(token.get("/me")["user"], "olga")
        self.assertEqual([one["name"] for one in olga.get("/tokens")["items"]], ["ci"])
        self.assertEqual(self.client.get("/tokens")["items"], [])
        self.assertEqual([one["user"] for one in self.client.get("/tokens?all=true")["items"]], ["olga"])
        olga.get("/tokens?all=true", 403)
        v1.Client(self.server, "vera", "v").ask("DELETE", "/tokens/" + made["id"], status=404)
        olga.ask("DELETE", "/tokens/" + made["id"], status=204)
        token.get("/me", 401)
        token.login = "Bearer bt_" + "x" * 49
        token.get("/me", 401)

    def test_an_administrator_reads_who_did_what_and_sets_the_log(self):
        run = self.start("greet")
        v1.Client(self.server, "vera", "v").post(f"/runs/{run}/cancel", {}, 403)
        told = self.client.get("/audit?" + urllib.parse.urlencode({"target": run}))["items"]
        self.assertEqual([(one["actor"], one["outcome"], one["role"]) for one in told], [("vera", 403, "baton-viewer")])
        self.assertGreater(len(self.client.get("/audit?actor=guest")["items"]), 0)
        self.client.get("/audit?after=nonsense", 400)
        v1.Client(self.server, "olga", "o").get("/audit", 403)
        self.assertEqual(self.client.get("/settings/log-level")["level"], "info")
        self.client.ask("PUT", "/settings/log-level", {"level": "warning"}, 200)
        self.assertEqual(self.client.get("/settings/log-level")["level"], "warning")
        self.client.ask("PUT", "/settings/log-level", {"level": "info"}, 200)
        self.client.ask("PUT", "/settings/log-level", {"level": "loud"}, 400)

    # ---- events -----------------------------------------------------------------------------------

    def test_events_are_numbered_and_go_on_where_one_was(self):
        stream = v1.Events(self.server, "runs")
        self.addCleanup(stream.close)
        self.assertEqual(stream.status, 200)
        run = self.start("greet")
        seen = []
        while not seen or seen[-1][2].get("run") != run or seen[-1][2]["status"] != "completed":
            one = stream.next()
            if one[1] != "comment":
                seen.append(one)
        numbers = [int(one[0].rsplit("-", 1)[1]) for one in seen]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(seen[-1][2]["seq"], self.client.get("/runs/" + run)["seq"])

        others = v1.Events(self.server, "run:" + run)
        self.addCleanup(others.close)
        missed = self.start("greet")
        while stream.next()[2].get("run") != missed:
            pass
        again = v1.Events(self.server, "runs", last_event_id=seen[-1][0])
        self.addCleanup(again.close)
        self.assertEqual(again.next()[2]["run"], missed)
        lost = v1.Events(self.server, "runs", last_event_id="another-17")
        self.addCleanup(lost.close)
        self.assertEqual(lost.next()[1], "resync")

    def test_a_run_of_many_changes_is_told_four_times_a_second(self):
        run = self.start()
        stream = v1.Events(self.server, "run:" + run)
        self.addCleanup(stream.close)
        began = time.monotonic()
        for _ in range(20):
            self.client.post(f"/runs/{run}/pause", {"reason": "x"})
            self.client.post(f"/runs/{run}/resume", {"reason": "x"})
        seq = self.client.get("/runs/" + run)["seq"]
        count = 0
        while True:
            told = stream.next()
            count += 1
            if told[2]["seq"] == seq:
                break
        self.assertLessEqual(count, 4 * (time.monotonic() - began) + 2)
        self.client.post(f"/runs/{run}/terminate", {"reason": "over"})

    def test_topics_that_mean_nothing_are_refused_and_two_hundred_streams_are_enough(self):
        for topics in ("", "cats", "run:0193", "runs,cats"):
            self.assertEqual(v1.Events(self.server, topics).status, 400, topics)
        self.assertEqual(v1.Events(self.server, "runs", user="nemo:n").status, 403)
        streams = []
        try:
            while len(streams) < 210:
                streams.append(v1.Events(self.server, "runs"))
                if streams[-1].status != 200:
                    break
            self.assertEqual(streams[-1].status, 503)
            self.assertGreaterEqual(len(streams), 190)
            run = self.start("greet")  # nobody waits for them
            for stream in streams[:-1]:
                while stream.next()[2].get("run") != run:
                    pass
        finally:
            for stream in streams:
                stream.close()


if __name__ == "__main__":
    unittest.main()
