"""The containers of compose.yaml and deploy/sandbox.yaml, with a real Docker engine:
    compose_trial.py [PEOPLE]
Starts them, provisions one user by the CLI, then PEOPLE while the server, the workers and PostgreSQL are
killed in turn; takes everything down in the middle of more runs and brings it up again; scales a worker.
Each run must complete, and each system have each user once. The project is `baton-trial`, with volumes
and ports of its own, which are removed at the end. Killing a process of a container needs root.
Prints what happened; exit code 0 when every promise was kept."""
import base64
import collections
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import baton

TASKS = ("mail.create", "redmine.create_user", "slack.invite")


class Trial:
    def __init__(self):
        amqp, self.http = baton.free_ports(2)
        self.env = dict(os.environ, PUBLISH_AMQP=f"127.0.0.1:{amqp}", PUBLISH_HTTP=f"127.0.0.1:{self.http}")
        subprocess.run([baton.ROOT / "deploy" / "make-secrets"], check=True, stdout=subprocess.DEVNULL)
        password = (baton.ROOT / "secrets" / "admin_password").read_text()
        self.login = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        self.expected = []

    def compose(self, *args):
        command = ["docker", "compose", "-p", "baton-trial", "-f", "compose.yaml", "-f", "deploy/sandbox.yaml", *args]
        done = subprocess.run(command, cwd=baton.ROOT, env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def inside(self, service, *args):
        return self.compose("exec", "-T", service, *args)

    def inspect(self, service, what):
        container = self.compose("ps", "-aq", service).split()[0]
        return subprocess.run(["docker", "inspect", "-f", what, container], capture_output=True, text=True,
                              check=True).stdout.strip()

    def kill(self, service):
        """kill -9 from outside, which the restart policy answers; `docker kill` would count as a wish."""
        before = int(self.inspect(service, "{{.RestartCount}}"))
        os.kill(int(self.inspect(service, "{{.State.Pid}}")), signal.SIGKILL)
        baton.wait_for(lambda: int(self.inspect(service, "{{.RestartCount}}")) > before, f"{service} is started again")

    def api(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": self.login, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def slow_down(self, milliseconds):
        """So that runs are under way for a while."""
        faults = json.dumps({task: {"delay_ms": milliseconds} for task in TASKS})
        self.inside("sandbox", "curl", "-fsS", "-X", "POST", "-d", faults, "http://127.0.0.1:15680/sandbox/faults")

    def start_runs(self, prefix, count):
        for i in range(count):
            email = f"{prefix}{i}@example.org"
            self.api("POST", "/api/runs", {"workflow": "provision-user", "input": {
                "email": email, "first_name": prefix.capitalize(), "last_name": f"Number{i}"}})
            self.expected.append(email)

    def completed(self):
        """How many runs are; 0 while the server or its database is away."""
        try:
            return sum(entry["count"] for entry in self.api("GET", "/api/counts") if entry["status"] == "completed")
        except OSError:
            return 0

    def await_all(self):
        baton.wait_for(lambda: self.completed() == len(self.expected),
                       f"{len(self.expected)} runs complete", timeout=300, pause=0.5)

    def check_once(self):
        state = json.loads(self.inside("sandbox", "baton", "sandbox", "--show", "--json"))
        for system, field in (("mailboxes", "username"), ("redmine_users", "mail"), ("slack_users", "email")):
            counted = collections.Counter(entry.get(field) for entry in state[system])
            wrong = {email: counted[email] for email in self.expected if counted[email] != 1}
            if wrong:
                raise AssertionError(f"{system}: not once: {wrong}")


def main(people):
    trial = Trial()
    begun = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)
    try:
        trial.compose("up", "-d", "--wait")
        say("all services are healthy")
        trial.inside("baton", "baton", "run", "provision-user", "--set", "email=ada@example.org",
                     "--set", "first_name=Ada", "--set", "last_name=Lovelace")
        trial.expected.append("ada@example.org")
        say("one user provisioned")

        trial.slow_down(1000)
        trial.start_runs("crash", people)
        for service in ("baton", "worker-mail", "worker-redmine", "worker-slack", "postgres", "baton"):
            done = trial.completed()
            if done >= len(trial.expected):
                raise AssertionError(f"all runs ended before {service} could be killed; take more people")
            trial.kill(service)
            say(f"{service} killed after {done} of {len(trial.expected)} runs, and started again")
        trial.await_all()
        trial.check_once()
        say(f"{len(trial.expected)} runs completed, each user once")

        trial.start_runs("down", people)
        done = trial.completed()
        trial.compose("down")
        if done >= len(trial.expected):
            raise AssertionError("all runs ended before `down`; take more people")
        say(f"down after {done} of {len(trial.expected)} runs")
        trial.compose("up", "-d", "--wait")
        say("up again")
        trial.await_all()
        trial.check_once()
        say(f"{len(trial.expected)} runs completed, each user once")

        trial.compose("up", "-d", "--wait", "--scale", "worker-mail=3")
        queue = trial.api("GET", "/api/queues/%2F/baton.task.mail.create")
        if queue["consumers"] != 3:
            raise AssertionError(f"three mail workers, {queue['consumers']} consumers")
        say("three mail workers")
    except BaseException:
        print(subprocess.run(["docker", "compose", "-p", "baton-trial", "logs", "--tail", "30"],
                             capture_output=True, text=True).stdout)
        raise
    finally:
        trial.compose("down", "-v")
    say("ok")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
