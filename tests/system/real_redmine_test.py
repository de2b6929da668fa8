"""provision-user against a real Redmine with a throwaway database; mail and Slack are the sandbox's. It is started by
scripts/real-redmine where Debian's package is installed, as root; or it is the one that BATON_TEST_REDMINE_URL and
BATON_TEST_REDMINE_KEY name, which that script prints."""
import base64
import html
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import baton
import house

PACKAGES = ("redmine", "redmine-sqlite", "puma", "sqlite3", "curl")


def missing():
    """What keeps it from running here, in words for a skipped test; empty: nothing."""
    if os.environ.get("BATON_TEST_REDMINE_URL"):
        return ""
    if os.geteuid() != 0:
        return "Redmine with a configuration of its own starts as root only"
    absent = [one for one in PACKAGES if subprocess.run(["dpkg", "-s", one], capture_output=True).returncode != 0]
    return f"apt-get install {' '.join(absent)}" if absent else ""


@unittest.skipIf(missing(), missing())
class RealRedmineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = os.environ
        if os.environ.get("BATON_TEST_REDMINE_URL"):
            return
        folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-redmine-test-"))
        folder.chmod(0o755)  # Redmine is another user
        cls.addClassCleanup(shutil.rmtree, folder, True)
        script = [baton.ROOT / "scripts" / "real-redmine", folder, str(baton.free_ports(1)[0])]
        cls.addClassCleanup(subprocess.run, [*script, "stop"], check=True)
        said = subprocess.run([*script, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout
        cls.settings = dict(line.split("=", 1) for line in said.splitlines())

    def setUp(self):
        self.url, self.key = self.settings["BATON_TEST_REDMINE_URL"], self.settings["BATON_TEST_REDMINE_KEY"]
        self.house = house.House()
        self.addCleanup(self.house.close)
        self.house.worker_env.update(BATON_REDMINE_URL=self.url, BATON_REDMINE_KEY=self.key)
        self.house.start()
        self.server = self.house.server
        text = (baton.ROOT / "workflows" / "provision-user.toml").read_text()
        self.server.deploy(text.replace('"2s"', '"50ms"').replace('"5m"', '"500ms"').replace("max_attempts = 5", "max_attempts = 50"))
        self.name = f"p{random.randrange(1 << 40):x}"

    def check(self, **env):
        done = subprocess.run([baton.EXE, "worker", "redmine", "--check", "--json"], env=dict(self.house.worker_env, **env),
                              capture_output=True, text=True, timeout=120)
        return [one["what"] for one in json.loads(done.stdout) if not one["ok"]]

    def test_check_tells_an_administrators_key_from_others(self):
        self.assertEqual(self.check(), [])
        self.assertEqual(self.check(BATON_REDMINE_KEY="wrong"), ["Redmine"])
        self.assertEqual(self.check(BATON_REDMINE_KEY_FIELD=self.name), [f"Redmine's custom field '{self.name}'"])
        status, _ = self.ask("/users.json", {"user": {"login": self.name, "firstname": "No", "lastname": "Boss",
                                                      "mail": f"{self.name}@example.org", "password": "correct-horse"}})
        self.assertEqual(status, 201)
        key = self.ask("/my/account.json", login=(self.name, "correct-horse"))[1]["user"]["api_key"]
        self.assertEqual(self.check(BATON_REDMINE_KEY=key), ["Redmine's administrator"])

    def ask(self, path, body=None, login=None):
        """Status and JSON, as the administrator or as a person with a password."""
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        else:
            headers["X-Redmine-API-Key"] = self.key
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            return refused.code, None

    def users(self):
        """All of this test's, whatever their status."""
        found = self.ask(f"/users.json?status=&limit=100&name={self.name}")[1]["users"]
        return [self.ask(f"/users/{user['id']}.json")[1]["user"] for user in found]

    def browser(self):
        """Opens pages and sends forms as a person does: cookies, and the hidden field that each form has."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

        def go(path, **form):
            with opener.open(self.url + path, timeout=30) as page:
                text, url = page.read().decode(), page.geturl()
            if not form:
                return url, text
            token = re.search(r'name="authenticity_token" value="([^"]+)"', text)[1]
            data = urllib.parse.urlencode(dict(form, authenticity_token=html.unescape(token))).encode()
            with opener.open(self.url + path, data, timeout=30) as page:
                return page.geturl(), page.read().decode()
        return go

    def test_a_person_logs_in_with_the_password_of_the_letter(self):
        if "BATON_TEST_REDMINE_MAIL" not in self.settings:
            self.skipTest("needs a Redmine whose letters are files")
        address = f"{self.name}@example.org"
        done = self.server.baton("call", "redmine.create_user", "--with", json.dumps({"login": self.name, "mail": address}), "--json",
                                 "--timeout", "60s", check=0)
        letter = pathlib.Path(self.settings["BATON_TEST_REDMINE_MAIL"]) / address
        baton.wait_for(lambda: letter.exists() and "Password:" in letter.read_text(), "Redmine's letter", 60, pause=0.2)
        password = re.search(r"Password: (\S+)", letter.read_text())[1]
        self.assertNotIn(password, done.stdout + self.house.logs() + self.server.log())
        url, _ = self.browser()("/login", username=self.name, password="not-" + password)
        self.assertTrue(url.endswith("/login"), url)
        go = self.browser()
        url, page = go("/login", username=self.name, password=password)
        self.assertIn("/my/password", url)  # nobody keeps a password that was in a letter
        self.assertIn("logged in as", page.lower())
        url, page = go("/my/password", password=password, new_password="correct-horse", new_password_confirmation="correct-horse")
        self.assertTrue(url.endswith("/my/account"), url)
        self.assertEqual(self.ask("/users/current.json", login=(self.name, "correct-horse"))[0], 200)

    def provision(self, login, expected, groups=()):
        done = self.server.baton("run", "provision-user", "--set", f"email={login}@example.org", "--set", "first_name=Zoë",
                                 "--set", "last_name=Ångström", "--set", "groups:=" + json.dumps(groups), timeout=120)
        self.assertEqual(done.returncode, 0 if expected == "completed" else 1, done.stdout + done.stderr)
        self.assertIn(expected, done.stdout)

    def test_a_veteran_still_logs_in_when_a_later_step_fails(self):
        veteran, novice = self.name + "v", self.name + "n"
        status, _ = self.ask("/users.json", {"user": {"login": veteran, "firstname": "Vera", "lastname": "Veteran",
                                                      "mail": f"{veteran}@example.org", "password": "correct-horse"}})
        self.assertEqual(status, 201)
        groups = [f"{self.name} old", f"{self.name} new"]
        mine = {user["login"]: user["id"] for user in self.users()}[veteran]
        for group, members in zip(groups, ([mine], [])):
            self.assertEqual(self.ask("/groups.json", {"group": {"name": group, "user_ids": members}})[0], 201)
        self.server.set_fault("slack.invite", {"mode": "fail", "error": "fatal_error"})
        for login in (veteran, novice):
            self.provision(login, "compensated", groups)
        # In the group that the run gave them nobody stays; in the other one who was there does.
        [there] = [user for user in self.users() if user["login"] == veteran]
        told = self.ask(f"/users/{there['id']}.json?include=groups")[1]["user"]["groups"]
        self.assertEqual([group["name"] for group in told], groups[:1])
        self.assertEqual(self.ask("/users/current.json", login=(veteran, "correct-horse"))[0], 200)
        self.assertEqual({user["login"]: user["status"] for user in self.users()}, {veteran: 1, novice: 3})
        # Come back: the same account is opened again.
        self.server.set_fault("slack.invite", None)
        done = self.server.baton("call", "redmine.create_user", "--with",
                                 json.dumps({"login": novice, "mail": f"{novice}@example.org"}), "--json", check=0)
        self.assertEqual(json.loads(done.stdout)["result"]["unlocked"], True)
        self.assertEqual([user["status"] for user in self.users()], [1, 1])

    def test_everybody_once_while_workers_are_killed(self):
        second = self.house.spawn("worker", "redmine", self.house.worker_env)
        self.addCleanup(lambda: (second.terminate(), second.wait(30)))
        people = self.server.home / "people.csv"
        logins = [f"{self.name}x{i}" for i in range(25)]
        people.write_text("email,first_name,last_name\n" + "".join(f"{login}@example.org,First{i},Last {i}\n"
                                                                   for i, login in enumerate(logins)))

        def kill():
            time.sleep(random.uniform(0.05, 0.6))
            self.house.kill_worker("redmine")
            self.house.start_worker("redmine")
        with house.Repeatedly(kill, 0.3) as killing:
            runs = self.server.json("run", "provision-user", "--each", str(people), timeout=280)
        self.assertEqual(runs["statuses"], {"completed": 25}, self.house.logs())
        self.assertGreater(killing.count, 3)
        self.assertEqual(sorted(user["login"] for user in self.users()), sorted(logins))
        self.assertEqual({user["firstname"] for user in self.users()}, {f"First{i}" for i in range(25)})


if __name__ == "__main__":
    unittest.main()
