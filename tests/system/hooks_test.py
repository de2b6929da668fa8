"""Webhooks: other programs start runs over HTTP with a secret and no login, on the real server; and what somebody tries
who does not know the secret."""
import hashlib
import hmac
import http.client
import json
import pathlib
import time
import unittest

import baton

PUSHED = """workflow = "pushed"
[[on]]
webhook = "github"
auth = {{ scheme = "github", secret = [{{ file = "{file}" }}, {{ environment = "OLD_HOOK_SECRET" }}] }}
when = "event.headers['x-github-event'] == 'push'"
input = {{ repository = "${{event.body.repository}}", headers = "${{event.headers}}" }}
[input]
repository = {{ type = "string", required = true }}
headers = {{ type = "object" }}
[[step]]
id = "note"
set = {{ repository = "${{input.repository}}", headers = "${{input.headers}}" }}
[output]
repository = "${{note.repository}}"
headers = "${{note.headers}}"
"""

SLACK = """workflow = "slack"
[[on]]
webhook = "slack"
auth = { scheme = "slack", secret = { environment = "SLACK_SECRET" } }
input = { text = "${event.body.text}" }
[input]
text = { type = "string", required = true, max = 10 }
[[step]]
id = "note"
set = { text = "${input.text}" }
"""

OPEN = """workflow = "open"
[[on]]
webhook = "open"
auth = "none"
[[step]]
id = "note"
set = { x = 1 }
"""


class HooksTest(baton.ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.server = baton.Server(env={"OLD_HOOK_SECRET": "old", "SLACK_SECRET": "slack secret"}).start()
        cls.file = pathlib.Path(cls.server.home) / "hook-secret"
        cls.file.write_text("s3cret\n")
        cls.server.deploy(PUSHED.format(file=cls.file))
        cls.server.deploy(SLACK)
        cls.server.deploy(OPEN)

    def post(self, hook, body=b"{}", headers=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        try:
            connection.request(method, "/baton/v1/hooks/" + hook, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def github(self, body, secret="s3cret", event="push", **headers):
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return self.post("github", body, {"X-Hub-Signature-256": "sha256=" + signature, "X-GitHub-Event": event, **headers})

    def runs(self, workflow):
        return self.server.http_json(self.server.http, f"/api/runs?workflow={workflow}&limit=1000")

    def test_a_signed_delivery_is_one_run_however_often_it_comes(self):
        body = b'{"repository": "ada/engine"}'
        status, first = self.github(body)
        self.assertEqual(status, 202, first)
        self.assertTrue(first["runs"][0]["new"])
        for again in ({"X-GitHub-Delivery": "1"}, {"X-GitHub-Delivery": "2"}):  # which is not signed
            status, second = self.github(body, **again)
            self.assertEqual((status, second["runs"][0]["run"], second["runs"][0]["new"]), (202, first["runs"][0]["run"], False))
        self.server.kill()
        self.server.start()
        self.assertEqual(self.github(body)[1]["runs"][0]["run"], first["runs"][0]["run"])
        shown = self.server.http_json(self.server.http, "/api/runs/" + first["runs"][0]["run"])
        self.assertEqual(shown["output"]["repository"], "ada/engine")
        self.assertNotIn("x-hub-signature-256", shown["output"]["headers"])
        self.assertEqual(shown["output"]["headers"]["x-github-event"], "push")

    def test_both_secrets_fit_while_one_is_changed_and_the_file_is_read_anew(self):
        self.assertEqual(self.github(b'{"repository": "by the old one"}', "old")[0], 202)
        try:
            self.file.write_text("another")
            self.assertEqual(self.github(b'{"repository": "by the new one"}', "another")[0], 202)
            self.assertEqual(self.github(b'{"repository": "no more"}')[0], 401)
            self.file.write_text("\n")
            self.assertEqual(self.github(b'{"repository": "empty"}', "")[0], 401)
        finally:
            self.file.write_text("s3cret\n")

    def test_who_does_not_know_the_secret_is_told_nothing(self):
        before = len(self.runs("pushed"))
        wrong = [self.post("github", b"{}", {"X-GitHub-Event": "push"}), self.github(b"{}", "guess"), self.post("nothing"),
                 self.post("github/../open"), self.post("a" * 300), self.post("slack", b"{}", {"X-Slack-Signature": "v0=00"}),
                 self.post("github", b"{}", {"X-Hub-Signature-256": "sha256=" + "0" * 64}),
                 self.post("github", b"{}", {"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})]
        self.assertEqual({status for status, _ in wrong}, {401})
        self.assertEqual(len({json.dumps(said) for _, said in wrong}), 1, "all are told the same")
        self.assertEqual(len(self.runs("pushed")), before)
        self.assertIn("a delivery was refused", self.server.log())
        self.assertNotIn("s3cret", self.server.log())
        self.assertEqual(self.post("github", None, method="GET")[0], 405)

    def test_what_is_not_meant_or_does_not_fit_starts_nothing(self):
        self.assertEqual(self.github(b'{"repository": "x/y"}', event="ping"), (200, {"runs": []}))
        status, said = self.github(b'{"repo": 1}')
        self.assertEqual(status, 422)
        self.assertIn("pushed: input", said["reason"])
        self.assertIn("the body is no JSON", self.github(b'{"repository": ')[1]["reason"])
        self.assertEqual(self.github(b'{"repository": 7}')[0], 422)

    def slack(self, body, when):
        base = b"v0:%d:" % when + body
        signature = "v0=" + hmac.new(b"slack secret", base, hashlib.sha256).hexdigest()
        return self.post("slack", body, {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": str(when),
                                         "Content-Type": "application/x-www-form-urlencoded"})

    def test_an_old_delivery_is_refused(self):
        now = int(time.time())
        status, said = self.slack(b"text=hello&trigger_id=1", now)
        self.assertEqual(status, 202, said)
        self.assertEqual(self.slack(b"text=hello&trigger_id=1", now - 60)[1]["runs"][0]["new"], False)
        self.assertEqual(self.slack(b"text=late", now - 400)[0], 401)
        self.assertEqual(self.slack(b"text=early", now + 400)[0], 401)
        self.assertEqual(self.slack(b"text=" + b"x" * 100, now)[0], 422)

    def test_a_large_or_endless_body_is_not_taken(self):
        try:
            self.assertEqual(self.post("github", b"x" * (2 << 20))[0], 413)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is closed before all is sent
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        self.addCleanup(connection.close)
        try:
            connection.request("POST", "/baton/v1/hooks/github", iter([b"x" * 65536] * 64), encode_chunked=True,
                               headers={"Transfer-Encoding": "chunked"})
            self.assertEqual(connection.getresponse().status, 413)
        except (BrokenPipeError, ConnectionResetError):
            pass
        # Those who announce much and send nothing take nothing from who logs in.
        held = []
        for _ in range(40):
            one = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
            one.putrequest("POST", "/baton/v1/hooks/github")
            one.putheader("Content-Length", str(1 << 20))
            one.endheaders()
            held.append(one)
        try:
            self.assertEqual(self.server.http_json(self.server.http, "/api/runs", {"workflow": "open", "input": {}})["new"], True)
        finally:
            for one in held:
                one.close()

    def test_without_a_secret_each_delivery_is_a_run_but_no_page_may_send_it(self):
        before = len(self.runs("open"))
        self.assertEqual(self.post("open")[0], 202)
        self.assertEqual(self.post("open")[0], 202)
        self.assertEqual(len(self.runs("open")), before + 2)
        status, _ = self.post("open", b"{}", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"})
        self.assertEqual(status, 403)
        self.assertEqual(len(self.runs("open")), before + 2)

    def test_undeployed_it_is_gone(self):
        self.server.deploy(OPEN.replace('"open"', '"brief"'))
        baton.wait_for(lambda: self.post("brief")[0] == 202, "it is known")
        self.server.baton("undeploy", "brief", check=0)
        self.assertEqual(self.post("brief")[0], 401)


if __name__ == "__main__":
    unittest.main()
