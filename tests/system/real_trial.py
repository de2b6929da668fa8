"""The typical jobs against real systems under faults: Redmine (two processes on PostgreSQL), postfix and dovecot with
PostfixAdmin's tables, the sandbox's Slack. Between each of them and the workers stands a wire that drops, delays,
cuts and lies (faulty.py); workers and the server are killed, and each target is stopped, killed and started again. When
the faults are over, every person must be in every system once or not at all, whoever was there before untouched, every
letter there once or said to be doubtful, every post once.
    python3 tests/system/real_trial.py [FAULTS] [WORKERS] [SEED]        (300, 2 of each kind, 1); as root
Exit code 0 when nothing was found.
"""
import collections
import imaplib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import baton
import faulty
import house
import mail_server

ROBOT = ("baton@example.org", "word-of-the-robot")
HOME = ("home@example.org", "word-of-home")  # where first passwords and reports go
PEOPLE, VETERANS, LEAVERS, INCIDENTS, REQUESTS = 40, 5, 8, 9, 8
TEAMS = (50, 50, 3, 1)  # members of each
RATES = {"redmine": 0.15, "slack": 0.2, "smtp": 0.4, "sql": 0.06}


class Redmine:
    """scripts/real-redmine, two processes on PostgreSQL."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-redmine-"))
        os.chmod(self.folder, 0o755)
        self.port = baton.free_ports(1)[0]
        said = self.script("start", "cluster", check=True, stdout=subprocess.PIPE, text=True).stdout
        self.settings = dict(line.split("=", 1) for line in said.splitlines())
        self.key = self.settings["BATON_TEST_REDMINE_KEY"]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-Redmine-API-Key": self.key, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def all_of(self, what, query=""):
        found = []
        while True:
            page = self.ask("GET", f"/{what}.json?limit=100&offset={len(found)}{query}")[what]
            found += page
            if len(page) < 100:
                return found

    def users(self):
        """By login, of all states; a login that is there twice has two in its list."""
        by_login = collections.defaultdict(list)
        for state in ("1", "3"):
            for user in self.all_of("users", f"&status={state}"):
                by_login[user["login"]].append(dict(user, status=int(state)))
        return by_login

    def freeze(self, seconds):
        pids = subprocess.run(["pgrep", "-f", f"puma.*{self.port}"], capture_output=True, text=True).stdout.split()
        for pid in pids:
            os.kill(int(pid), signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            os.kill(int(pid), signal.SIGCONT)

    def script(self, *words, **options):
        return subprocess.run([baton.ROOT / "scripts/real-redmine", self.folder, str(self.port), *words], **options)

    def crash(self, seconds):
        self.script("kill", check=True)
        time.sleep(seconds)
        self.script("again", "cluster", check=True)

    def close(self):
        self.script("stop")
        shutil.rmtree(self.folder, ignore_errors=True)


class Trial:
    def __init__(self, faults, workers, seed):
        self.wanted, self.per_kind, self.seed = faults, workers, seed
        self.random = random.Random(seed)
        self.kills = collections.Counter()
        self.outage, self.outages = None, 0
        self.complaints = []
        self.closing = []

    def build(self):
        self.mail = mail_server.MailServer()
        self.closing.append(self.mail.close)
        self.redmine = Redmine()
        self.closing.append(self.redmine.close)
        self.house = house.House(workers=())
        self.closing.append(self.house.close)
        self.wires = {"redmine": faulty.HttpWire(self.redmine.port, self.seed + 1), "slack": faulty.HttpWire(self.house.server.sandbox, self.seed + 2),
                      "smtp": faulty.SmtpWire(self.mail.smtp, self.seed + 3, self.mail.certificate, self.mail.key, self.mail.ca), "sql": faulty.Wire(self.mail.database.port, self.seed + 4)}
        ledger = self.house.server.home / "ledger"
        ledger.mkdir()
        url = urllib.parse.urlsplit(self.mail.url)
        sql = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{self.wires['sql'].port}")).geturl()
        self.house.worker_env.update({
            "BATON_MAILCOW_URL": "", "BATON_MAILCOW_KEY": "", "BATON_MAIL_DB_URL": sql, "BATON_MAIL_LEDGER": str(ledger),
            "BATON_SMTP_URL": f"smtp://localhost:{self.wires['smtp'].port}", "BATON_SMTP_USER": ROBOT[0], "BATON_SMTP_PASSWORD": ROBOT[1],
            "BATON_SMTP_CA_FILE": self.mail.ca, "BATON_SMTP_FROM": ROBOT[0], "BATON_HTTP_TIMEOUT": "6",
            "BATON_REDMINE_URL": f"http://127.0.0.1:{self.wires['redmine'].port}", "BATON_REDMINE_KEY": self.redmine.key,
            "BATON_SLACK_URL": f"http://127.0.0.1:{self.wires['slack'].port}/slack/api"})
        self.server = self.house.server
        self.start_slack()
        self.server.start()
        for kind in ("mail", "redmine", "slack"):
            for number in range(self.per_kind):
                self.start_worker(kind, number)

    def start_slack(self):
        with open(self.server.home / "sandbox.log", "ab") as log:
            self.house.sandbox = subprocess.Popen([baton.EXE, "sandbox", "--state", self.server.home / "slack.jsonl"], env=self.house.env,
                                                  cwd=self.server.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        baton.wait_for(lambda: baton.accepts(self.server.sandbox), "the stand-in for Slack starts")

    def start_worker(self, kind, number):
        self.house.workers[kind, number] = self.house.spawn("worker", kind, self.house.worker_env)

    def prepare(self):
        """People and places that were there before."""
        self.mail.add_person(*ROBOT)
        self.mail.add_person(*HOME)
        self.redmine.ask("POST", "/projects.json", {"project": {"name": "Operations", "identifier": "ops"}})
        for address in self.veterans() + self.leavers():
            self.mail.add_person(address, "of-long-ago")
            self.redmine.ask("POST", "/users.json", {"user": {
                "login": address.split("@")[0], "mail": address, "firstname": "Of", "lastname": "Long Ago", "password": "of-long-ago"}})
        for channel in ("oncall", "general"):
            self.call("slack.create_channel", name=channel)
        for address in self.leavers():
            self.call("slack.invite", email=address, channels=["general"])

    def call(self, task, **parameters):
        for _ in range(20):
            done = self.server.baton("call", task, "--with", json.dumps(parameters), "--json", "--timeout", "20s")
            if done.returncode == 0:
                return json.loads(done.stdout)["result"]
            if "already" in done.stdout or "taken" in done.stdout:
                return None
            time.sleep(0.5)
        raise AssertionError(f"{task}: {done.stdout}{done.stderr}\n{self.house.logs()}")

    @staticmethod
    def veterans():
        return [f"veteran{i}@example.org" for i in range(VETERANS)]

    @staticmethod
    def leavers():
        return [f"leaver{i}@example.org" for i in range(LEAVERS)]

    def begin(self, workflow, given):
        answer = self.server.http_json(self.server.http, "/api/runs", {"workflow": workflow, "input": given})
        self.runs[answer["run"]] = (workflow, given)

    def begin_all(self):
        self.runs = {}
        for address in [f"new{i}@example.org" for i in range(PEOPLE)] + self.veterans():
            self.begin("provision-user", {"email": address, "first_name": "Ådä", "last_name": "O'Brien", "home_email": HOME[0]})
        for address in self.leavers():
            self.begin("offboard-user", {"email": address, "manager": HOME[0], "last_day": "2020-01-01T00:00:00Z"})
        for i, size in enumerate(TEAMS):
            members = [{"email": f"team{i}x{who}@example.org", "first_name": f"Ad{who}", "last_name": "Ling"} for who in range(size)]
            self.begin("onboard-team", {"team": f"Team {i}", "members": members})
        for i in range(INCIDENTS):
            self.begin("incident", {"service": f"service{i}", "severity": ("critical", "major", "minor")[i % 3], "summary": "a | \"b\" " * 3})
        for i in range(REQUESTS):
            self.begin("access-request", {"who": HOME[0], "system": "vpn", "reason": f"reason {i}"})

    def faults(self):
        return sum(self.kills.values()) + sum(sum(wire.faults.values()) for wire in self.wires.values())

    def trouble(self):
        """Until there were enough faults, or everything is over, or ten minutes."""
        for name, wire in self.wires.items():
            wire.rate = RATES[name]
        end = time.monotonic() + 600
        again = 0
        while self.faults() < self.wanted and time.monotonic() < end:
            time.sleep(self.random.uniform(0.3, 1.5))
            kind, number = self.random.choice(list(self.house.workers))
            self.house.workers[kind, number].kill()
            self.house.workers[kind, number].wait()
            self.kills[f"worker {kind} killed"] += 1
            self.start_worker(kind, number)
            if self.random.random() < 0.12 and not (self.outage and self.outage.is_alive()):
                self.begin_outage()
            if self.random.random() < 0.03:
                self.kills["server killed"] += 1
                self.server.kill()
                self.server.start()
            if self.open_runs() == 0:  # more work, so that the faults have something to hit
                again += 1
                for i in range(10):
                    self.begin("provision-user", {"email": f"more{again}x{i}@example.org", "first_name": "Mo", "last_name": "Re",
                                                  "home_email": HOME[0]})
        for wire in self.wires.values():
            wire.rate = 0.0
        if self.outage:
            self.outage.join()

    OUTAGES = ("redmine frozen", "redmine killed", "postfix stopped", "dovecot stopped", "database frozen", "slack killed")

    def begin_outage(self):
        """One target is away for a while. Each kind has its turn."""
        kind = self.OUTAGES[self.outages % len(self.OUTAGES)]
        self.outages += 1
        self.kills[kind] += 1
        self.outage = threading.Thread(target=self.be_away, args=(kind, self.random.uniform(2, 9)))
        self.outage.start()

    def be_away(self, kind, seconds):
        try:
            if kind == "redmine frozen":
                self.redmine.freeze(seconds)
            elif kind == "redmine killed":
                self.redmine.crash(seconds)
            elif kind == "postfix stopped":
                self.mail.stop_postfix()
                time.sleep(seconds)
                self.mail.start_postfix()
            elif kind == "dovecot stopped":  # no log-in for postfix, no delivery
                self.mail.stop_dovecot()
                time.sleep(seconds)
                self.mail.start_dovecot()
            elif kind == "database frozen":
                self.mail.database.freeze()
                time.sleep(seconds)
                self.mail.database.thaw()
            else:
                self.house.sandbox.kill()
                self.house.sandbox.wait()
                time.sleep(seconds)
                self.start_slack()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            self.complain(f"{kind}: {error}")

    def open_runs(self):
        counts = self.server.http_json(self.server.http, "/api/runs?limit=1000")
        return sum(run["status"] in ("queued", "running", "compensating") for run in counts)

    def calm(self):
        """No more faults: what waits is tried now, and all runs end."""
        end = time.monotonic() + 300
        while self.open_runs() and time.monotonic() < end:
            for run in self.server.http_json(self.server.http, "/api/runs?limit=1000"):
                if run["status"] in ("running", "compensating"):
                    self.server.baton("retry", run["id"], "--now")
            time.sleep(5)
        if self.open_runs():
            self.complain(f"{self.open_runs()} runs did not end")
        self.mail.await_delivery()

    def complain(self, text):
        self.complaints.append(text)

    # --- what must be true -------------------------------------------------------------------------

    def check(self):
        self.ended = {run: self.server.json("show", run) for run in self.runs}
        self.letters = self.mail.letters(*HOME)
        self.issues = self.redmine.all_of("issues", "&status_id=*")
        self.users = self.redmine.users()
        slack = self.server.sandbox_state()
        self.members = {one["email"]: one["state"] for one in slack["slack_users"]}
        for address, count in collections.Counter(one["email"] for one in slack["slack_users"]).items():
            if count > 1:
                self.complain(f"Slack has {count} members {address}")
        self.posts = [one["text"] for one in slack["slack_messages"]]
        self.mailboxes = dict(line.split("|") for line in self.mail.sql("select username, active from mailbox").splitlines())
        for login, users in self.users.items():
            if len(users) != 1:
                self.complain(f"Redmine has {len(users)} users {login}")
        for run, (workflow, given) in self.runs.items():
            getattr(self, "check_" + workflow.replace("-", "_"))(self.ended[run], given)

    def result_of(self, shown, step):
        return next((one.get("output") for one in shown["steps"] if one["step"] == step and not one["undo"]), None)

    def check_letters(self, what, letters, is_doubtful):
        if len(letters) == 1 or (len(letters) > 1 and is_doubtful):
            return
        self.complain(f"{what}: {len(letters)} letters{' (said to be doubtful)' if is_doubtful else ''}")

    def check_provision_user(self, shown, given):
        address, login = given["email"], given["email"].split("@")[0]
        user = (self.users.get(login) or [None])[0]
        if address in self.veterans():
            if shown["status"] != "compensated" and shown["status"] != "failed":
                self.complain(f"{address} was there, and the run is {shown['status']}")
            if self.mailboxes.get(address) != "t" or user is None or user["status"] != 1 or address in self.members:
                self.complain(f"{address} was there and was touched: {self.mailboxes.get(address)} {user} {self.members.get(address)}")
            self.log_in(address, "of-long-ago")
        elif shown["status"] == "completed":
            if self.mailboxes.get(address) != "t" or user is None or user["status"] != 1 or self.members.get(address) not in ("invited", "active"):
                self.complain(f"{address} is not complete: {self.mailboxes.get(address)} {user} {self.members.get(address)}")
            mine = [letter for letter in self.letters if address in letter.get_content() or address in str(letter["Subject"])]
            self.check_letters(address, mine, '"doubtful": true' in json.dumps(shown["steps"]))
            words = [found for letter in mine for found in re.findall(r"^    (\S+)\s*$", letter.get_content(), re.M)]
            if not any(self.can_log_in(address, word) for word in words):
                self.complain(f"{address} cannot log in with what the letter held")
        elif shown["status"] in ("compensated", "failed"):
            if shown["status"] == "failed":
                self.complain(f"{address}: not undone: {shown['error']}")
            is_in_slack = self.members.get(address) not in (None, "deactivated")
            if address in self.mailboxes or (user is not None and user["status"] != 3) or is_in_slack:
                self.complain(f"{address} is half there after {shown['status']}: {self.mailboxes.get(address)} {user} {self.members.get(address)}")

    def can_log_in(self, address, password):
        try:
            self.mail.log_in(address, password).logout()
            return True
        except imaplib.IMAP4.error:
            return False

    def log_in(self, address, password):
        if not self.can_log_in(address, password):
            self.complain(f"{address} cannot log in any more")

    def check_offboard_user(self, shown, given):
        address = given["email"]
        user = (self.users.get(address.split("@")[0]) or [None])[0]
        failed = {step["step"] for step in shown["steps"] if step["status"] == "dead"}
        if "lock.mail" not in failed and self.mailboxes.get(address) != "f":
            self.complain(f"{address} left and has a mailbox")
        if "lock.redmine" not in failed and (user is None or user["status"] != 3):
            self.complain(f"{address} left and has a Redmine account: {user}")
        if "lock.slack" not in failed and self.members.get(address) != "deactivated":
            self.complain(f"{address} left and is in Slack: {self.members.get(address)}")
        mine = [one for one in self.letters if str(one["Subject"]) == f"{address} has left"]
        if "report" not in failed:
            self.check_letters(f"report of {address}", mine, (self.result_of(shown, "report") or {}).get("doubtful"))

    def check_onboard_team(self, shown, given):
        identifier = given["team"].lower().replace(" ", "-")
        projects = [one for one in self.redmine.all_of("projects") if one["identifier"] == identifier]
        is_there = any(step["step"] == "rooms.project" and step["status"] == "done" for step in shown["steps"])
        if len(projects) > 1 or (is_there and not projects):
            self.complain(f"{len(projects)} projects {identifier}")
        if is_there and projects:
            members = self.redmine.ask("GET", f"/projects/{identifier}/memberships.json?limit=100")["memberships"]
            joined = sum(one.get("join_project") == "done" for one in self.steps_of_members(shown).values())
            # One of whom nobody knows may be in as well.
            if not joined <= len(members) <= len(given["members"]):
                self.complain(f"{identifier} has {len(members)} members, and {joined} steps say that somebody joined")

        said = self.steps_of_members(shown)
        has_rooms = any(step["step"] == "rooms" and step["status"] == "done" for step in shown["steps"])
        if has_rooms and len(said) != len(given["members"]):
            self.complain(f"{identifier}: {len(said)} of {len(given['members'])} members were begun")
        for number, steps in said.items():
            address = given["members"][number]["email"]
            user = (self.users.get(address.split("@")[0]) or [None])[0]
            if steps.get("mailbox") == "done" and self.mailboxes.get(address) != "t":
                self.complain(f"{address} of {identifier} has no mailbox: {self.mailboxes.get(address)}")
            if steps.get("account") == "done" and (user is None or user["status"] != 1):
                self.complain(f"{address} of {identifier} has no account: {user}")
            if steps.get("invite") == "done" and self.members.get(address) not in ("invited", "active"):
                self.complain(f"{address} of {identifier} is not in Slack: {self.members.get(address)}")
        self.check_post(shown, "announce", f"of {given['team']} are in")

    @staticmethod
    def steps_of_members(shown):
        """What became of each member's steps, by number."""
        members = collections.defaultdict(dict)
        for step in shown["steps"]:
            if found := re.fullmatch(r"people\[(\d+)\]\.(\w+)", step["step"]):
                members[int(found[1])][found[2]] = step["status"]
        return members

    def check_post(self, shown, step, words):
        """Once; and where the step died, perhaps not."""
        count = sum(words in text for text in self.posts)
        status = next((one["status"] for one in shown["steps"] if one["step"] == step), "skipped")
        if not (count == 1 if status == "done" else count <= 1):
            self.complain(f"{words!r} was posted {count} times, and {step} is {status}")

    def check_incident(self, shown, given):
        mine = [one for one in self.issues if f"{given['service']}:" in one["subject"]]
        dead = any(step["step"] == "ticket" and step["status"] == "dead" for step in shown["steps"])
        if len(mine) != 1 and not (dead and not mine):
            self.complain(f"{given['service']}: {len(mine)} tickets")
        self.check_post(shown, "page", f"{given['service']} is down")
        self.check_post(shown, "where", f"The ticket of {given['service']}:")

    def check_access_request(self, shown, given):
        failed = {step["step"] for step in shown["steps"] if step["status"] == "dead"}
        mine = [one for one in self.issues if one["description"].splitlines()[:1] == [given["reason"]]]
        if len(mine) != 1 and not ("ask" in failed and not mine):
            self.complain(f"{given['reason']}: {len(mine)} tickets")

    def report(self):
        faults = collections.Counter()
        for name, wire in self.wires.items():
            for fault, count in wire.faults.items():
                faults[f"{name}: {fault}"] += count
        faults.update(self.kills)
        statuses = collections.Counter((workflow, self.ended[run]["status"]) for run, (workflow, _) in self.runs.items())
        print(f"{sum(faults.values())} faults, {self.per_kind} workers of each kind, seed {self.seed}")
        for name, count in sorted(faults.items()):
            print(f"  {count:4} {name}")
        met = {name: {fault for fault, count in wire.faults.items() if count} for name, wire in self.wires.items()}
        known = {name: wire.FAULTS if isinstance(wire, faulty.Wire) else wire.BEFORE + wire.AFTER for name, wire in self.wires.items()}
        never = [f"{name}: {fault}" for name, faults in known.items() for fault in faults if fault not in met[name]]
        never += [kind for kind in self.OUTAGES if not self.kills[kind]]
        if never:
            print("never met:", ", ".join(never))
        for (workflow, status), count in sorted(statuses.items()):
            print(f"{workflow}: {count} {status}")
        print(f"{len(self.letters)} letters, {sum(map(len, self.users.values()))} Redmine users, {len(self.mailboxes)} mailboxes")
        for complaint in self.complaints:
            print("FOUND:", complaint)
        print("nothing found" if not self.complaints else f"{len(self.complaints)} found")

    def run(self):
        try:
            self.build()
            self.prepare()
            self.begin_all()
            self.trouble()
            self.calm()
            self.check()
            self.report()
        finally:
            for close in reversed(self.closing):
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - the others must be closed, too
                    print(f"while closing: {error}", file=sys.stderr)
        return 1 if self.complaints else 0


if __name__ == "__main__":
    if mail_server.missing():
        sys.exit(f"real_trial: {mail_server.missing()}")
    numbers = [int(text) for text in sys.argv[1:]] + [300, 2, 1][len(sys.argv) - 1:]
    sys.exit(Trial(*numbers).run())
