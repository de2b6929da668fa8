"""The command line: exit codes, help, check and eval without a server, JSON for scripts."""
import json
import math
import os
import shutil
import socket
import subprocess
import tempfile
import pathlib
import unittest

import baton
import certificates

BAD = '''workflow = "bad"
[input]
email = { type = "string", required = true }
[[step]]
id = "mailbox"
task = "mail.create"
wiht = { address = "${input.emial}" }
'''


def run(*args, stdin=None, env=None, cwd=None):
    return subprocess.run([baton.EXE, *args], text=True, capture_output=True, timeout=60, input=stdin,
                          env=dict(os.environ, **(env or {})), cwd=cwd)


class OfflineTest(unittest.TestCase):
    def test_help_has_examples_for_every_verb(self):
        for verb in ("dev", "serve", "worker", "sandbox", "check", "deploy", "undeploy", "run", "runs", "show", "cancel",
                     "retry", "dead", "call", "eval"):
            done = run(verb, "--help")
            self.assertEqual(done.returncode, 0, verb)
            self.assertIn("Example", done.stdout, verb)
        self.assertIn("Exit codes", run("--help").stdout)

    def test_version(self):
        self.assertRegex(run("version").stdout, r"^baton \d+\.\d+\.\d+")

    def test_wrong_usage_is_exit_code_two(self):
        for args in ((), ("fly",), ("run",), ("check",), ("check", "/nonexistent.toml"), ("runs", "--limit", "x"),
                     ("worker", "nobody"), ("call", "a.b", "--with", "{")):
            self.assertEqual(run(*args).returncode, 2, args)

    def test_a_mistyped_verb_or_option_gets_the_nearest_one(self):
        for args, complaint in ((("rnu",), "there is no verb 'rnu'; did you mean 'run'?"),
                                (("dead", "lst"), "there is no verb 'lst'; did you mean 'list'?"),
                                (("fly",), "there is no verb 'fly'; baton --help lists them"),
                                (("dead", "fly"), "there is no verb 'fly'; baton dead --help lists them"),
                                ((), "a verb is missing; baton --help lists them"),
                                (("dead",), "a verb is missing; baton dead --help lists them"),
                                (("runs", "--limt", "3"), "there is no option '--limt'; did you mean '--limit'?"),
                                (("serve", "--zebra"), "there is no option '--zebra'; see baton serve --help"),
                                (("run",), "WORKFLOW is required; see baton run --help"),
                                (("version", "now"), "now; see baton version --help"),
                                (("dead", "list", "--zebra"), "there is no option '--zebra'; see baton dead list --help"),
                                (("dead", "list", "--limt", "3"), "there is no option '--limt'; did you mean '--limit'?"),
                                (("dead", "list", "--limit", "0"), "see baton dead list --help"),
                                (("call", "a.b", "--with", "x"), "--with is not JSON that can be used"),
                                (("call", "a.b", "--with", "[1]"), "--with must be a JSON object")):
            with self.subTest(args):
                done = run(*args)
                self.assertEqual(done.returncode, 2)
                self.assertIn(complaint, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_an_empty_word_is_no_word(self):
        for args in (("show", ""), ("undeploy", ""), ("undeploy", "a", ""), ("cancel", ""), ("retry", ""), ("run", ""),
                     ("run", "x", "--key", ""), ("run", "x", "--each", ""), ("run", "x", "--input", ""), ("run", "x", "--set", ""),
                     ("runs", "--status", ""), ("runs", "--workflow", ""), ("skip-undo", "", "a", "--reason", "b"),
                     ("skip-undo", "abcdef", "", "--reason", "b"), ("finish", "", "--as", "failed", "--reason", "b"), ("call", ""),
                     ("call", "a.b", "--with", ""), ("dead", "show", ""), ("dead", "redrive", ""), ("dead", "drop", "--task", ""),
                     ("dead", "list", "--run", ""), ("deploy", ""), ("backup", ""), ("restore", ""), ("worker", ""), ("dev", ""),
                     ("--ca", "", "runs")):
            with self.subTest(args):
                done = run(*args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("must not be empty", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_a_restore_takes_no_configuration_that_serve_refuses(self):
        server = baton.Server().start()
        self.addCleanup(server.close)
        backup = server.home / "backup"
        server.baton("backup", str(backup), check=0)
        data = server.home / "other"
        definitions = server.home / "broken.json"
        definitions.write_text('{"queues": [')
        for variables in ({"BATON_HTTP_TLS_CERTIFICATE": "none.pem", "BATON_HTTP_TLS_KEY": "none.pem"},
                          {"BATON_BROKER_DEFINITIONS": str(definitions)}, {"BATON_HTTP_LISTEN": "no-address:80"},
                          {"BATON_BROKER_USERS": "ada[baton-opertor]:x"}, {"BATON_LOG_LEVEL": "loud"}):
            with self.subTest(variables):
                env = dict(server.env, BATON_DATA=str(data), **variables)
                said = run("restore", str(backup), env=env, cwd=server.home)
                self.assertEqual(said.returncode, 2, said.stderr)
                served = run("serve", env=env, cwd=server.home)
                self.assertEqual(served.returncode, 2, served.stderr)
                self.assertEqual([path for path in data.rglob("*")] if data.exists() else [], [])
                shutil.rmtree(data, ignore_errors=True)

    def test_a_configuration_that_cannot_work_is_exit_code_two(self):
        folder = tempfile.mkdtemp(prefix="baton-test-")
        self.addCleanup(shutil.rmtree, folder)
        at = lambda name: str(pathlib.Path(folder) / name)
        authority = certificates.Authority(pathlib.Path(folder), "ours")
        certificate, key = authority.sign("server")
        other_key = authority.sign("other")[1]
        pathlib.Path(at("broken.json")).write_text('{"queues": [')
        pathlib.Path(at("refused.json")).write_text('{"queues": [{"name": "q", "vhost": "nowhere"}]}')
        amqp, http, tls = baton.free_ports(3)
        usual = {"BATON_BROKER_LISTEN": f"127.0.0.1:{amqp}", "BATON_HTTP_LISTEN": f"127.0.0.1:{http}",
                 "BATON_DATA": at("data")}
        with_tls = {"BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{tls}", "BATON_BROKER_TLS_CERTIFICATE": certificate,
                    "BATON_BROKER_TLS_KEY": key}
        for variables, complaint in (
                (dict(with_tls, BATON_BROKER_TLS_CERTIFICATE=at("none.pem")), "'broker.tls' (certificate, key, ca): cannot read the certificate"),
                (dict(with_tls, BATON_BROKER_TLS_KEY=at("none.pem")), "cannot read the key"),
                (dict(with_tls, BATON_BROKER_TLS_KEY=other_key), "does not belong to the certificate"),
                (dict(with_tls, BATON_BROKER_TLS_KEY=at("broken.json")), "holds no private key"),
                (dict(with_tls, BATON_BROKER_TLS_CA=at("none.pem")), "cannot read the authorities"),
                ({"BATON_BROKER_DEFINITIONS": at("none.json")}, f"'broker.definitions' (BATON_BROKER_DEFINITIONS): '{at('none.json')}': cannot be read: No such file"),
                ({"BATON_BROKER_DEFINITIONS": folder}, "is a folder"),
                ({"BATON_BROKER_DEFINITIONS": at("broken.json")}, "broken.json': "),
                ({"BATON_BROKER_DEFINITIONS": at("refused.json")}, "queues[0] 'q': "),
                ({"BATON_BROKER_URL": "localhost:5672"}, "'broker.url' (BATON_BROKER_URL): bad AMQP URL"),
                ({"BATON_DB_URL": "mysql://host/db"}, "'database.url' (BATON_DB_URL): mysql:// is not supported"),
                ({"BATON_BROKER_LISTEN": "no-address:5672"}, "'no-address:5672' is not an address"),
                ({"BATON_HTTP_LISTEN": "no-address:80"}, "BATON_HTTP_LISTEN=host:port"),
        ):
            with self.subTest(complaint):
                done = run("serve", env=dict(usual, **variables), cwd=folder)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(complaint, done.stderr)
        # A port that is taken is not the configuration's fault.
        with socket.create_server(("127.0.0.1", amqp)):
            self.assertEqual(run("serve", env=usual, cwd=folder).returncode, 1)

    def test_a_variable_that_nobody_reads_is_a_warning(self):
        server = baton.Server(env={"BATON_WORKFLOWZ": "flows", "BATON_PORT_5672_TCP": "tcp://127.0.0.1:5672"})
        self.addCleanup(server.close)
        server.start()
        self.assertEqual(server.log().count("nobody reads this variable"), 1, server.log())
        self.assertRegex(server.log(), "variable=BATON_WORKFLOWZ hint=.*did you mean 'BATON_WORKFLOWS'")

    def test_the_log_is_for_people_or_for_collectors(self):
        for verb in (("worker", "mail"), ("serve",), ("sandbox",)):
            done = subprocess.run([baton.EXE, *verb], env={**os.environ, "BATON_LOG_FORMAT": "xml"}, capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 2, verb)
            self.assertIn("BATON_LOG_FORMAT", done.stderr)
            self.assertIn("one of text, json", done.stderr)
        server = baton.Server(env={"BATON_LOG_FORMAT": "json"})
        self.addCleanup(server.close)
        server.start()
        server.stop()
        lines = [json.loads(line) for line in server.log().splitlines()]
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertLessEqual({"ts", "level", "area", "msg"}, line.keys())
        self.assertIn("listening", [line["msg"] for line in lines])

    def test_a_server_out_of_reach_is_exit_code_three(self):
        port, = baton.free_ports(1)
        for args in (("runs",), ("run", "x"), ("dead", "list"), ("call", "a.b"), ("show", "abcdefgh")):
            done = run(*args, env={"BATON_URL": f"http://127.0.0.1:{port}"})
            self.assertEqual(done.returncode, 3, args)
            self.assertIn("Is a server running", done.stderr)

    def test_check_reports_mistakes_with_place_and_hint(self):
        with tempfile.TemporaryDirectory() as folder:
            bad = pathlib.Path(folder) / "bad.toml"
            bad.write_text(BAD)
            done = run("check", "bad.toml", cwd=folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad.toml:7:1: error: unknown key 'wiht'; did you mean 'with'?", done.stdout + done.stderr)

    def test_check_accepts_the_workflows_that_ship(self):
        files = sorted(str(p) for p in (baton.ROOT / "workflows").glob("*.toml"))
        self.assertGreaterEqual(len(files), 6)
        done = run("check", *files)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_eval_reads_and_writes_json_lines(self):
        lines = [{"expr": "1 + 2"}, {"expr": "x.startsWith('a')", "bindings": {"x": {"string": "abc"}}}, {"expr": "1 / 0"}]
        done = run("eval", "--jsonl", stdin="".join(json.dumps(line) + "\n" for line in lines) + "garbage\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(answers[:2], [{"value": {"int": "3"}}, {"value": {"bool": True}}])
        self.assertIn("error", answers[2])
        self.assertIn("error", answers[3])

    def test_eval_agrees_with_the_conformance_data(self):
        data = baton.ROOT / "tests" / "orchestrator" / "expression" / "cel"
        cases = [json.loads(line) for file in sorted(data.glob("*.jsonl")) for line in file.read_text().splitlines() if line]
        self.assertGreater(len(cases), 300)
        done = run("eval", "--jsonl", stdin="".join(json.dumps(case) + "\n" for case in cases))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(cases))
        # The data writes one double in several ways ("inf" and "Infinity", "10" and "-23.0"): numbers are compared, zero with its sign.
        def same(a, b):
            if a.keys() == b.keys() == {"double"}:
                a, b = float(a["double"]), float(b["double"])
                return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
            if a.keys() == b.keys() == {"list"}:
                return len(a["list"]) == len(b["list"]) and all(map(same, a["list"], b["list"]))
            if a.keys() == b.keys() == {"map"}:
                return len(a["map"]) == len(b["map"]) and all(
                    any(same(key, other) and same(value, found) for other, found in b["map"]) for key, value in a["map"])
            return a == b
        wrong = [(case, answer) for case, answer in zip(cases, answers)
                 if ("error" in case) != ("error" in answer) or ("value" in case and not same(case["value"], answer["value"]))]
        self.assertEqual(wrong, [])

    def test_no_verb_waits_for_a_file_without_an_end(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = pathlib.Path(folder) / "fifo.csv"
            os.mkfifo(fifo)
            huge = pathlib.Path(folder) / "huge.toml"
            with open(huge, "wb") as f:
                f.truncate(1 << 32)
            for file, reason in ((str(fifo), "no regular file"), ("/dev/zero", "no regular file"), (folder, "Is a directory"),
                                 (str(huge), "larger than 64 MiB")):
                for args in (("check", file), ("deploy", file), ("run", "x", "--input", "@" + file), ("call", "a.b", "--with", "@" + file)):
                    with self.subTest(args):
                        done = run(*args)
                        self.assertEqual(done.returncode, 2)
                        # Of a folder it checks the files.
                        self.assertIn("larger than 64 MiB" if args == ("check", folder) else reason, done.stderr)
            self.assertEqual(run("run", "x", "--each", str(fifo)).returncode, 2)
            self.assertEqual(run("ctl", "import_definitions", str(fifo)).returncode, 64)

    def test_no_setting_waits_for_a_file_without_an_end(self):
        folder = tempfile.mkdtemp(prefix="baton-test-")
        self.addCleanup(shutil.rmtree, folder)
        fifo = str(pathlib.Path(folder) / "fifo")
        os.mkfifo(fifo)
        certificate, key = certificates.Authority(pathlib.Path(folder), "ours").sign("server")
        amqp, http, tls = baton.free_ports(3)
        usual = {"BATON_BROKER_LISTEN": f"127.0.0.1:{amqp}", "BATON_HTTP_LISTEN": f"127.0.0.1:{http}",
                 "BATON_DATA": str(pathlib.Path(folder) / "data")}
        with_tls = {"BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{tls}", "BATON_BROKER_TLS_CERTIFICATE": certificate,
                    "BATON_BROKER_TLS_KEY": key}
        config = pathlib.Path(folder) / "baton.toml"
        config.write_text(f'[database]\nurl_file = "{fifo}"\n')
        for endless in (fifo, "/dev/zero", "/dev/tty"):
            cases = [(("serve", "--config", endless), {}), (("serve",), {"BATON_CONFIG": endless}),
                     (("serve",), {"BATON_DB_URL_FILE": endless}), (("serve",), {"BATON_BROKER_URL_FILE": endless}),
                     (("serve",), {"BATON_BROKER_USERS_FILE": endless}), (("serve",), {"BATON_BROKER_DEFINITIONS": endless}),
                     (("serve",), dict(with_tls, BATON_BROKER_TLS_CERTIFICATE=endless)),
                     (("serve",), dict(with_tls, BATON_BROKER_TLS_KEY=endless)),
                     (("serve",), dict(with_tls, BATON_BROKER_TLS_CA=endless)),
                     (("worker", "mail"), {"BATON_SMTP_PASSWORD_FILE": endless}), (("worker", "mail"), {"BATON_SMTP_CA_FILE": endless}),
                     (("worker", "redmine"), {"BATON_REDMINE_KEY_FILE": endless}), (("worker", "slack"), {"BATON_HTTP_CA_FILE": endless}),
                     (("sandbox", "--state", endless), {"BATON_SANDBOX_LISTEN": f"127.0.0.1:{http}"})]
            if endless == fifo:
                cases += [(("serve", "--config", str(config)), {}), (("serve",), {"BATON_DB_URL": "sqlite:" + fifo})]
            for args, variables in cases:
                with self.subTest((args, variables)):
                    done = run(*args, env=dict(usual, **variables), cwd=folder)
                    self.assertIn(done.returncode, (1, 2), done.stderr)
                    # /dev/tty cannot be opened where there is no terminal.
                    self.assertRegex(done.stderr, "it is no regular file|No such device or address")
            done = run("runs", env={"BATON_PASSWORD_FILE": endless})
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, "it is no regular file|No such device or address")

    def test_free_ports_for_scripts(self):
        ports = run("sandbox", "--free-ports", "3").stdout.split()
        self.assertEqual(len(set(ports)), 3)


class DevTest(unittest.TestCase):
    def test_dev_runs_everything_and_reloads_workflows(self):
        server = baton.Server("dev", ["flows"])
        self.addCleanup(server.close)
        (server.home / "flows").mkdir()
        source = (baton.ROOT / "workflows" / "provision-user.toml").read_text()
        (server.home / "flows" / "provision-user.toml").write_text(source)
        server.start()
        server.baton("await", "--timeout", "30s", check=0)
        server.baton("run", "provision-user", "--set", "email=ada@example.org", "--set", "first_name=Ada",
                     "--set", "last_name=Lovelace", check=0)
        shown = server.baton("sandbox", "--show", check=0).stdout
        self.assertIn("ada@example.org", shown)
        (server.home / "flows" / "second.toml").write_text(
            'workflow = "second"\n[[step]]\nid = "post"\ntask = "slack.post"\nwith = { channel = "#general", text = "hi" }\n')

        def deployed():
            return "second" in [w["name"] for w in server.http_json(server.http, "/api/workflows")]
        baton.wait_for(deployed, "the new file is deployed", 20)
        server.baton("run", "second", check=0)
        (server.home / "flows" / "second.toml").unlink()
        baton.wait_for(lambda: "a file is gone; its workflow stays live until `baton undeploy second`" in server.log(),
                       "the log says that the workflow is live", 20)
        server.baton("run", "second", check=0)
        server.baton("undeploy", "second", check=0)
        self.assertIn("there is no workflow 'second'", server.baton("run", "second", check=2).stderr)
        self.assertEqual(server.stop(), 0)


class ApiTest(baton.ServerTest):
    def status_of(self, path, user="guest", password="guest", method="GET", body=None):
        import base64
        import urllib.error
        import urllib.request
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}", method=method, data=body)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def test_who_did_what_is_kept_and_the_data_is_closed_to_others(self):
        import json
        import os
        self.assertEqual(self.status_of("/api/runs/none/cancel", method="POST")[0], 404)
        self.assertEqual(self.status_of("/api/runs/none/cancel", "guest", "wrong", method="POST")[0], 401)
        # Refused log-ins have a file of their own, so that they push nobody's acts out.
        for name, role, outcome in (("audit.jsonl", "administrator", 404), ("audit-refused.jsonl", "", 401)):
            with open(self.server.home / "data" / name) as file:
                acts = [json.loads(line) for line in file]
            acts[-1].pop("at")
            self.assertEqual(acts[-1], {"actor": "guest", "address": "127.0.0.1", "role": role, "outcome": outcome,
                                        "action": "POST /api/runs/{run}/cancel", "target": "/api/runs/none/cancel"})
        self.assertEqual(os.stat(self.server.home / "data").st_mode & 0o077, 0)
        for folder, folders, files in os.walk(self.server.home / "data"):
            for name in folders + files:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)

    def test_a_run_says_who_asked_for_what(self):
        self.server.deploy('workflow = "waits"\n[[step]]\nid = "a"\ntask = "nobody.works"\n')
        run = self.server.baton("run", "waits", "--detach", check=0).stdout.strip()
        asked = subprocess.run([baton.EXE, "cancel", run, "--reason", "wrong\x1b[31m person"],
                               env=dict(self.server.env, BATON_USER="yet", BATON_PASSWORD="asdfasdf"),
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(asked.returncode, 0, asked.stderr)

        details = self.server.json("show", run)
        asked = [(fact["fact"], fact["actor"]) for fact in details["requests"]]
        self.assertEqual(asked, [("run_started", "guest"), ("cancel_requested", "yet")])
        shown = self.server.baton("show", run, check=0).stdout
        self.assertRegex(shown, r"asked .* started by guest\n")
        self.assertRegex(shown, r"asked .* cancel requested by yet: wrong\\x1b\[31m person\n")

    def test_the_api_needs_a_user_of_the_broker(self):
        self.assertEqual(self.status_of("/api/runs")[0], 200)
        self.assertEqual(self.status_of("/api/runs", "yet", "asdfasdf")[0], 200)
        self.assertEqual(self.status_of("/api/runs", "guest", "wrong")[0], 401)
        self.assertEqual(self.status_of("/api/runs", "nobody", "x")[0], 401)
        self.assertEqual(self.status_of("/api/health", "nobody", "x")[0], 200)

    def test_a_start_with_what_nobody_reads_is_refused(self):
        self.deploy_once()
        for body, reason in ((b'{"workflow":"once","key":4711}', "'key' must be text"),
                             (b'{"workflow":"once","idempotency_key":"a"}', "unknown member 'idempotency_key'"),
                             (b'{"workflow":"once","inputs":{}}', "unknown member 'inputs'; did you mean 'input'?")):
            code, text = self.status_of("/api/runs", method="POST", body=body)
            self.assertEqual(code, 400, text)
            self.assertIn(reason, json.loads(text)["reason"])
        self.assertEqual(self.server.json("runs", "--workflow", "once"), [])

    def test_the_same_key_with_other_input_says_so(self):
        self.deploy_once("keyed")
        first = self.server.baton("run", "keyed", "--key", "a", "--set", "name=Ada", "--detach", check=0).stdout
        again = self.server.baton("run", "keyed", "--key", "a", "--set", "name=Ada", "--detach", check=0).stdout
        self.assertEqual(first, again)
        other = self.server.baton("run", "keyed", "--key", "a", "--set", "name=Bob", "--detach", check=1)
        self.assertIn("with other input", other.stderr)
        self.assertIn(first.strip(), other.stderr)

    def test_a_second_try_of_a_file_goes_on(self):
        self.deploy_once("each")
        people = self.server.home / "people.csv"
        people.write_bytes(b"name\nAda\nBob\nM\xfcller\n")
        refused = self.server.baton("run", "each", "--each", str(people), check=2)
        self.assertIn("people.csv:4: byte 0xFC", refused.stderr)
        self.assertEqual(self.server.json("runs", "--workflow", "each"), [])
        people.write_text("name\nAda\nBob\n")
        dry = self.server.baton("run", "each", "--each", str(people), "--dry-run", check=0).stdout
        self.assertIn("2 runs of each would be asked for; nothing was started", dry)
        self.assertIn("takes these inputs, or has these runs already was not checked", dry)
        self.assertEqual(self.server.json("runs", "--workflow", "each"), [])
        self.assertEqual(self.server.json("run", "each", "--each", str(people))["started"], 2)
        people.write_text("name\nCy\nAda\nBob\n\"two\nlines\"\nx\n")
        done = self.server.baton("run", "each", "--each", str(people), "--json", check=1)
        said = json.loads(done.stdout)
        self.assertEqual((said["started"], said["existing"], said["refused"]), (2, 2, 1))
        self.assertEqual(said["refused_lines"][0]["line"], 7)
        self.assertEqual(len(self.server.json("runs", "--workflow", "each")), 4)

    def test_a_set_that_should_be_json_is_told_so(self):
        path = self.server.home / "order.toml"
        path.write_text('workflow = "order"\n[input]\ntotal = { type = "number", required = true }\n'
                        '[[step]]\nid = "note"\nset = { total = "${input.total}" }\n')
        self.server.baton("deploy", str(path), check=0)
        refused = self.server.baton("run", "order", "--set", "total=5", check=2)
        self.assertIn("input.total: number expected, got string", refused.stderr)
        self.assertIn("--set total=5 gives a text; --set total:=5 gives what it says", refused.stderr)
        self.assertNotIn(":=", self.server.baton("run", "order", "--set", "total=five", check=2).stderr)
        self.server.baton("run", "order", "--set", "total:=5", check=0)

    def test_an_ambiguous_id_lists_what_it_may_mean(self):
        self.deploy_once("twins")
        ids = [self.server.baton("run", "twins", "--detach", check=0).stdout.strip() for _ in range(2)]
        baton.wait_for(lambda: all(run["closed_at"] for run in self.server.json("runs", "--workflow", "twins")), "both are done")
        for verb in (("show",), ("cancel",), ("retry",)):
            refused = self.server.baton(*verb, ids[0][:6], check=2)
            for run in ids:
                self.assertIn(f"{run}  twins completed", refused.stderr)
        self.assertIn("at least 6 characters", self.server.baton("show", ids[0][:5], check=2).stderr)
        self.assertIn("no run 'ffffffff'", self.server.baton("show", "ffffffff", check=2).stderr)
        self.assertIn(ids[0], self.server.baton("show", ids[0].upper(), check=0).stdout)
        table, totals = self.server.baton("runs", "--workflow", "twins", check=0).stdout.split("\n\n")
        self.assertEqual(sorted(line.split()[0] for line in table.splitlines()[1:]), sorted(ids))
        self.assertEqual(totals, "2 completed\n")

    def test_a_list_that_a_filter_empties_says_so(self):
        self.deploy_once("shown")
        self.server.baton("run", "shown", check=0)
        for args, said in ((("--workflow", "shwon"), "there is no workflow 'shwon'; did you mean 'shown'?"),
                           (("--workflow", "shown", "--status", "failed"), 'no run fits workflow:"shown" status:"failed"; there are '),
                           (("input.team=ops",), "index = true"),
                           (("--status", "paused"), 'no run fits status:"paused"; there are ')):
            self.assertIn(said, self.server.baton("runs", *args, check=0).stdout)
            self.assertEqual(self.server.json("runs", *args), [])

    def test_runs_are_found_by_what_is_known_of_them(self):
        path = self.server.home / "found.toml"
        path.write_text('workflow = "found-people"\n[labels]\nfloor = "${input.floor}"\n[input]\n'
                        'name = { type = "string", required = true, index = true }\nfloor = { type = "integer", default = 3 }\n'
                        '[[step]]\nid = "note"\nset = { who = "${input.name}" }\n')
        self.server.baton("deploy", str(path), check=0)
        start = ("run", "found-people", "--detach", "--set")
        ada = self.server.baton(*start, "name=Ada Lovelace", "--label", "team=ops", "--key", "order-1", check=0).stdout.strip()
        bob = self.server.baton(*start, "name=bob", "--set", "floor:=4", "--label", "team=ops", "--label", "floor=0", check=0).stdout.strip()
        baton.wait_for(lambda: len(self.server.json("runs", "workflow:found-people", "status:completed")) == 2, "both are done")

        def found(*query):
            return [run["id"] for run in self.server.json("runs", *query)]
        self.assertEqual(found("workflow:found-*"), [bob, ada])
        self.assertEqual(found("label.team=ops", 'input.name="Ada Lovelace"'), [ada])
        self.assertEqual(found("input.name=Ada*"), [ada])
        self.assertEqual(found("label.floor=3"), [ada])
        self.assertEqual(found("label.floor=0", "since:1h"), [bob])
        self.assertEqual(found("label.team=ops", "until:1h"), [])
        self.assertEqual(found("key:order-1"), [ada])
        self.assertEqual(found("run:" + ada[:20], "workflow:found-people"), [ada])
        self.assertEqual(found("workflow:found-people", "ended_since:1h", "--limit", "1"), [bob])
        self.assertEqual(self.server.json("runs", "label.team=ops", "--totals"), {"totals": {"completed": 2}, "totals_are_exact": True})
        self.assertEqual(self.server.json("show", ada)["labels"], {"floor": "3", "team": "ops"})
        self.assertIn('labels  {"floor":"0","team":"ops"}', self.server.baton("show", bob, check=0).stdout)
        table, rest = self.server.baton("runs", "label.team=ops", "--limit", "1", check=0).stdout.split("\n\n")
        self.assertIn(bob, table)
        after = rest.strip().removeprefix("2 completed; older ones: --after ").removesuffix(", or --all")
        self.assertIn(ada, self.server.baton("runs", "label.team=ops", "--after", after, check=0).stdout)
        self.assertEqual(len(self.server.json("runs", "--all", "label.team=ops")), 2)
        for query, said in ((("status:done",), "column 8: no run is 'done'"), (("teem:ops",), "column 1: there is no field 'teem'"),
                            (("label.team=ops", "since:soon"), "column 22: 'soon' is no time"), (("--after", "x"), "is no place in the list")):
            self.assertIn(said, self.server.baton("runs", *query, check=2).stderr)
        self.assertIn("write --label NAME=VALUE", self.server.baton(*start, "name=x", "--label", "team", check=2).stderr)
        self.assertIn("cannot name a label", self.server.baton(*start, "name=x", "--label", "a b=c", check=2).stderr)

    def test_history_comes_in_pages(self):
        self.deploy_once("paged")
        run = self.server.baton("run", "paged", "--detach", check=0).stdout.strip()
        baton.wait_for(lambda: self.server.json("show", run)["closed_at"], "it is done")
        whole = self.server.http_json(self.server.http, f"/api/runs/{run}/history")
        self.assertIsNone(whole["next"])
        paged, after = [], 0
        while after is not None:
            page = self.server.http_json(self.server.http, f"/api/runs/{run}/history?after={after}&limit=1")
            self.assertLessEqual(len(page["history"]), 1)
            paged += page["history"]
            after = page["next"]
        self.assertEqual(paged, whole["history"])
        details = self.server.json("show", run)
        self.assertEqual((details["history"], details["history_next"]), (whole["history"], None))

    def test_show_is_in_file_order_and_says_what_is_waited_for(self):
        path = self.server.home / "order.toml"
        path.write_text('workflow = "shape"\non_failure = "continue"\n[[step]]\nid = "both"\n'
                        '[[step.parallel]]\nid = "slow"\nwait = "1s"\n[[step.parallel]]\nid = "bad"\ntask = "shape.bad"\n'
                        'retry = { max_attempts = 1 }\ntimeout = { schedule_to_start = "1s" }\n'
                        '[[step]]\nid = "pause"\nafter = ["both.slow"]\nwait = "1h"\n')
        self.server.baton("deploy", str(path), check=0)
        run = self.server.baton("run", "shape", "--detach", check=0).stdout.strip()
        baton.wait_for(lambda: self.server.json("dead", "list", "--run", run) and
                       any(s["step"] == "pause" for s in self.server.json("show", run)["steps"]), "one is dead, one waits", 30)
        shown = self.server.json("show", run)
        self.assertEqual([step["step"] for step in shown["steps"]], ["both", "both.slow", "both.bad", "pause"])
        text = self.server.baton("show", run, check=0).stdout
        self.assertRegex(text, r"waits until 20\d\d-")
        self.assertIn("1 open dead letter(s)", text)
        self.server.baton("dead", "drop", str(self.server.json("dead", "list", "--run", run)[0]["id"]), check=0)
        self.assertNotIn("dead letter", self.server.baton("show", run, check=0).stdout)
        self.assertIn("a step gave up, the run goes on", self.server.log())
        self.server.baton("cancel", run, check=0)
        self.assertRegex(self.server.log(), f"run +is cancelled run={run} workflow=shape")

    def test_the_log_says_what_an_operator_must_know(self):
        text = ('workflow = "%s"\non_failure = "%s"\n[[step]]\nid = "a"\nset = { x = 1 }\n'
                '[[step]]\nid = "b"\nfail = { error = "broken", message = "it is broken" }\n')
        for name, policy in (("falls", "fail"), ("halts", "pause"), ("undoes", "compensate")):
            path = self.server.home / f"{name}.toml"
            path.write_text(text % (name, policy))
            self.server.baton("deploy", str(path), check=0)
            self.server.baton("run", name, check=1)
        log = self.server.log()
        self.assertRegex(log, r"run +failed run=\S+ workflow=falls error=\"b: it is broken\"")
        self.assertRegex(log, r"an operator is needed: the run is paused.* workflow=halts")
        self.assertRegex(log, r"run +is being undone run=\S+ workflow=undoes")
        self.assertRegex(log, r"run +is undone run=\S+ workflow=undoes")

    def test_a_deploy_answers_when_the_queues_are_there(self):
        import pika
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        for number in range(20):
            path = self.server.home / "queued.toml"
            path.write_text(f'workflow = "queued"\n[[step]]\nid = "a"\ntask = "queued.t{number}"\n')
            deployed = self.server.json("deploy", str(path))
            self.assertEqual(deployed[0]["queues"], True)
            connection.channel().queue_declare(f"baton.task.queued.t{number}", passive=True)

    def test_undeploy_takes_a_workflow_out_of_use(self):
        self.deploy_once("gone")
        self.server.baton("run", "gone", check=0)
        self.assertEqual(self.server.json("undeploy", "gone"), [{"workflow": "gone", "version": 1}])
        self.assertNotIn("gone", [w["name"] for w in self.server.http_json(self.server.http, "/api/workflows")])
        self.assertIn("there is no workflow 'gone'", self.server.baton("run", "gone", check=2).stderr)
        self.assertIn("there is no workflow 'gone'", self.server.baton("undeploy", "gone", check=2).stderr)
        self.server.stop()
        self.server.start()
        self.assertIn("there is no workflow 'gone'", self.server.baton("run", "gone", check=2).stderr)
        self.deploy_once("gone")
        self.server.baton("run", "gone", check=0)

    def test_undeploy_lasts_over_restarts_with_the_file_in_the_folder(self):
        server = baton.Server(env={"BATON_WORKFLOWS": "flows"})
        self.addCleanup(server.close)
        flow = server.home / "flows" / "kept.toml"
        flow.parent.mkdir()
        source = 'workflow = "kept"\n[[step]]\nid = "a"\nset = { x = 1 }\n'
        flow.write_text(source)
        server.start()
        is_live = lambda: "kept" in [one["name"] for one in server.http_json(server.http, "/api/workflows")]
        baton.wait_for(is_live, "the file is deployed")
        self.assertIn("also after a restart", server.baton("undeploy", "kept", check=0).stdout)
        for stop in (server.stop, server.kill):
            stop()
            server.start()
            baton.wait_for(lambda: "not live: it was taken out of use by `baton undeploy`" in server.log(), "the log says so")
            server.log_path.unlink()
            self.assertFalse(is_live())
            self.assertIn("there is no workflow 'kept'", server.baton("run", "kept", check=2).stderr)
        server.baton("deploy", str(flow), check=0)
        server.baton("run", "kept", check=0)
        server.stop()
        server.start()
        self.assertTrue(is_live(), "it was deployed again")
        server.baton("undeploy", "kept", check=0)
        server.stop()
        flow.write_text(source + "# changed\n")
        server.start()
        baton.wait_for(is_live, "the file says something new")

    def test_a_follower_says_that_the_server_is_away_and_back(self):
        import time
        server = baton.Server().start()
        self.addCleanup(server.close)
        server.deploy('workflow = "slow"\n[[step]]\nid = "a"\nwait = "8s"\n')
        with open(server.home / "said", "w") as said:
            following = subprocess.Popen([baton.EXE, "run", "slow"], env=server.env, stdout=said, stderr=said)
        self.addCleanup(following.wait)
        self.addCleanup(following.kill)
        text = lambda: (server.home / "said").read_text()
        baton.wait_for(lambda: "slow run" in text(), "the run is followed")
        begun = time.monotonic()
        server.kill()
        baton.wait_for(lambda: f"the connection to http://127.0.0.1:{server.http} is lost; trying again for 120 s" in text(),
                       "it says that the server is away", 10)
        self.assertLess(time.monotonic() - begun, 6)
        server.start()
        self.assertEqual(following.wait(60), 0, text())
        self.assertIn(f"http://127.0.0.1:{server.http} answers again", text())
        self.assertEqual(text().count("is lost"), 1)

    def test_parameters_are_understood_or_refused(self):
        for path, reason in (("/api/runs?limit=abc", "'limit' must be a whole number from 1 to 1000, not 'abc'"),
                             ("/api/runs?staus=failed", "unknown parameter 'staus'; did you mean 'status'? known are q, after, totals, workflow, status, before, limit"),
                             ("/api/runs?status=faild", "'status' cannot be 'faild'; did you mean 'failed'?"),
                             ("/api/runs?status=failed&status=running", "'status' is there twice"),
                             ("/api/runs?before=x", "'before' must be the whole id of a run"),
                             ("/api/dead?state=opn", "did you mean 'open'?"), ("/api/dead?before=-1", "'before' must be a whole number"),
                             ("/api/counts?workflow=x", "unknown parameter 'workflow'; there are none here"),
                             ("/api/health?verbose=1", "unknown parameter 'verbose'")):
            code, text = self.status_of(path)
            self.assertEqual(code, 400, (path, text))
            self.assertIn(reason, json.loads(text)["reason"])
        self.assertEqual(self.status_of("/api/runs/none/cancel?force=1", method="POST", body=b"{}")[0], 400)
        for path in ("/api/queues?nobody=knows", "/api/overview?x=1", "/metrics?x=1"):
            self.assertEqual(self.status_of(path)[0], 200, "RabbitMQ passes them over")
        for args, reason in ((("runs", "--status", "faild"), "did you mean 'failed'?"),
                             (("dead", "list", "--state", "opn"), "did you mean 'open'?"),
                             (("dead", "list", "--run", "0193a5"), "the whole id of a run"),
                             (("finish", "0193a5c2", "--as", "complete", "--reason", "x"), "did you mean 'completed'?")):
            self.assertIn(reason, self.server.baton(*args, check=2).stderr)

    def test_a_foreign_name_reads_nothing(self):
        import base64
        import http.client
        login = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}

        def status(path, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=10)
            self.addCleanup(connection.close)
            connection.request("GET", path, headers=dict(login, **headers))
            return connection.getresponse().status
        for path in ("/api/runs", "/api/queues", "/metrics"):
            self.assertEqual(status(path, Host=f"rebound.example:{self.server.http}"), 421, path)
            self.assertEqual(status(path, Origin="http://evil.example"), 403, path)
            for own in ("localhost", "127.0.0.1", "[::1]", socket.gethostname()):
                self.assertEqual(status(path, Host=f"{own}:{self.server.http}"), 200, (path, own))
        self.assertEqual(status("/api/health", Host="balancer.example"), 200)

    def test_show_of_a_run_that_is_over_has_no_step_that_goes_on(self):
        self.server.deploy('workflow = "cut"\n[[step]]\nid = "a"\ntask = "cut.a"\nretry = { max_attempts = 5, initial_interval = "1h" }\n'
                           '[[step]]\nid = "w"\nafter = []\nwait = "1h"\n[[step]]\nid = "b"\nafter = []\ntask = "cut.b"\n')
        run = self.server.baton("run", "cut", "--detach", check=0).stdout.strip()
        import pika
        connection = pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))
        self.addCleanup(connection.close)
        channel = connection.channel()
        for method, properties, _ in channel.consume("baton.task.cut.a", inactivity_timeout=10):
            channel.basic_publish("", properties.reply_to, b'{"type": "busy", "detail": "later", "retryable": true}', pika.BasicProperties(
                type="failed", correlation_id=properties.correlation_id, delivery_mode=2))
            channel.basic_ack(method.delivery_tag)
            break
        steps = lambda: {step["step"]: step["status"] for step in self.server.json("show", run)["steps"]}
        baton.wait_for(lambda: steps() == {"a": "backing_off", "w": "sleeping", "b": "dispatched"}, "all three are open")
        self.server.baton("finish", run, "--as", "failed", "--reason", "enough", check=0)
        self.assertEqual(set(steps().values()), {"cancelled"})
        shown = self.server.baton("show", run, check=0).stdout
        for word in ("backing_off", "next at", "waits until"):
            self.assertNotIn(word, shown)

    def deploy_once(self, name="once"):
        path = self.server.home / f"{name}.toml"
        path.write_text(f'workflow = "{name}"\n[input]\nname = {{ type = "string", min = 2, default = "--" }}\n'
                        '[[step]]\nid = "note"\nset = { name = "${input.name}" }\n')
        self.server.baton("deploy", str(path), check=0)

    def test_bad_requests_get_reasons(self):
        for path, method, body, status in (
                ("/api/runs", "POST", b"{", 400), ("/api/runs", "POST", b"[]", 400), ("/api/runs", "POST", b"{}", 400),
                ("/api/runs", "POST", b'{"workflow":"nothing"}', 404), ("/api/nothing", "GET", None, 404),
                ("/api/runs", "DELETE", None, 405), ("/api/runs?status=odd", "GET", None, 400),
                ("/api/runs/00000000-0000-7000-8000-000000000000", "GET", None, 404),
                ("/api/runs/zz/cancel", "POST", b"{}", 404), ("/api/dead/x", "GET", None, 404),
                ("/api/dead/99", "DELETE", None, 404), ("/api/workflows", "POST", b'{"source":"x ="}', 422),
                ("/api/runs", "POST", b"[" * 100000, 400)):
            code, text = self.status_of(path, method=method, body=body)
            self.assertEqual(code, status, (path, text))
            self.assertTrue(json.loads(text)["reason"], path)
        _, text = self.status_of("/baton/v1/schedules/any%2Fcron/resume", method="POST", body=b'{"zzz":1}')
        self.assertEqual(json.loads(text)["detail"], "unknown member 'zzz'; there are none")


if __name__ == "__main__":
    unittest.main()
