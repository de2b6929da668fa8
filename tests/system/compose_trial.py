"""The containers of compose.yaml with a real Docker engine, in each of their profiles:
    compose_trial.py [PEOPLE]
  bare     no target is set: everything is healthy, the workers wait and say for what; nobody is root, writes
           beside the volumes, or reaches what is not its own; the image is small and knows its version
  crash    with deploy/sandbox.yaml: PEOPLE are provisioned while the server, the workers and PostgreSQL are
           killed in turn; everything is taken down in the middle of more runs and brought up again
  care     what was backed up is restored, and so are runs from pg_dump alone; the server goes away for a while;
           passwords are changed; a workflow is edited
  demo     the profile `demo`: a person gets a mailbox that takes letters, a Redmine account and an invitation
  tls      HTTPS and AMQPS by deploy/tls-proxy.yaml
Projects, volumes, ports and secrets are the trial's own and are removed at the end. As root, with the image
baton:latest built. Prints what happened; exit code 0 when every promise was kept."""
import base64
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import baton

TASKS = ("mail.create", "redmine.create_user", "slack.invite")
WORKERS = ("worker-mail", "worker-redmine", "worker-slack")
BEGUN = time.monotonic()
IMAGE_BYTES_MAX = 150_000_000


def say(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


class Project:
    """One project of Compose, with its own ports and secrets."""

    def __init__(self, name, files=("compose.yaml",), demo=False, **variables):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"baton-{name}-"))
        amqp, self.http, self.redmine, imap = baton.free_ports(4)
        self.env = dict(os.environ, COMPOSE_PROJECT_NAME=f"baton-trial-{name}", COMPOSE_FILE=":".join(files),
                        BATON_SECRETS=str(self.folder / "secrets"), PUBLISH_AMQP=f"127.0.0.1:{amqp}",
                        PUBLISH_HTTP=f"127.0.0.1:{self.http}", PUBLISH_REDMINE=f"127.0.0.1:{self.redmine}",
                        PUBLISH_IMAP=f"127.0.0.1:{imap}", **variables)
        self.options = ["--env-file", "deploy/demo/env"] if demo else ["--env-file", "/dev/null"]
        self.script("make-secrets", *(["demo"] if demo else []))
        self.expected = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.command("docker", "compose", *self.options, "logs", "--tail", "30", check=False))
            print(self.command("docker", "compose", *self.options, "ps", "-a", check=False))
        self.compose("down", "-v", "--remove-orphans")
        shutil.rmtree(self.folder)

    def command(self, *command, check=True, data=None):
        done = subprocess.run(command, cwd=baton.ROOT, env=self.env, capture_output=True, text=True, input=data)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def script(self, name, *args):
        return self.command(baton.ROOT / "deploy" / name, *args)

    def compose(self, *args, check=True):
        return self.command("docker", "compose", *self.options, *args, check=check)

    def inside(self, service, *args, check=True):
        return self.compose("exec", "-T", service, *args, check=check)

    def inspect(self, service, what):
        container = self.compose("ps", "-aq", service).split()[0]
        return self.command("docker", "inspect", "-f", what, container).strip()

    def health(self, service):
        return self.inspect(service, "{{.State.Health.Status}}")

    def secret(self, name):
        return (self.folder / "secrets" / name).read_text()

    def kill(self, service):
        """kill -9 from outside, which the restart policy answers; `docker kill` would count as a wish."""
        before = int(self.inspect(service, "{{.RestartCount}}"))
        os.kill(int(self.inspect(service, "{{.State.Pid}}")), signal.SIGKILL)
        baton.wait_for(lambda: int(self.inspect(service, "{{.RestartCount}}")) > before, f"{service} is started again")

    def api(self, method, path, body=None):
        login = base64.b64encode(f"admin:{self.secret('admin_password')}".encode()).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def run_one(self, name):
        self.expected.append(f"{name}@example.org")
        return self.inside("baton", "baton", "run", "provision-user", "--set", f"email={name}@example.org",
                           "--set", "first_name=Ada", "--set", f"last_name={name.capitalize()}")

    def start_runs(self, prefix, count):
        for i in range(count):
            email = f"{prefix}{i}@example.org"
            self.api("POST", "/api/runs", {"workflow": "provision-user", "input": {
                "email": email, "first_name": prefix.capitalize(), "last_name": f"Number{i}"}})
            self.expected.append(email)

    def slow_down(self, milliseconds):
        """So that runs are under way for a while."""
        faults = json.dumps({task: {"delay_ms": milliseconds} for task in TASKS})
        self.inside("sandbox", "bash", "-c",
                    'exec 3<>/dev/tcp/127.0.0.1/15680; printf "POST /sandbox/faults HTTP/1.1\\r\\nHost: localhost\\r\\n'
                    'Content-Type: application/json\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s" "${#1}" "$1" >&3; '
                    'head -1 <&3 | grep -q " 20"', "bash", faults)

    def completed(self):
        """How many runs are; 0 while the server or its database is away."""
        try:
            return sum(entry["count"] for entry in self.api("GET", "/api/counts") if entry["status"] == "completed")
        except OSError:
            return 0

    def await_all(self):
        baton.wait_for(lambda: self.completed() == len(self.expected),
                       f"{len(self.expected)} runs complete", timeout=300, pause=0.5)

    def check_once(self, service="sandbox"):
        state = json.loads(self.inside(service, "baton", "sandbox", "--show", "--json"))
        for system, field in (("mailboxes", "username"), ("redmine_users", "mail"), ("slack_users", "email")):
            counted = collections.Counter(entry.get(field) for entry in state[system])
            wrong = {email: counted[email] for email in self.expected if counted[email] != 1}
            expect(not wrong, f"{system}: not once: {wrong}")


def image():
    inspected = json.loads(subprocess.run(["docker", "image", "inspect", "baton:latest"], check=True, capture_output=True).stdout)[0]
    size = inspected["Size"]
    expect(size < IMAGE_BYTES_MAX, f"the image has {size} bytes")
    cmake = (baton.ROOT / "CMakeLists.txt").read_text()
    version = re.search(r"project\(baton VERSION ([0-9.]+)", cmake)[1]
    label = inspected["Config"]["Labels"]["org.opencontainers.image.version"]
    expect(label == version, f"the image's label says {label}, the project {version}")
    say(f"the image has {size / 1e6:.0f} MB and the label {label}")


def check_confinement(project, services):
    for service in services:
        status = project.inside(service, "grep", "-E", "^(Uid|CapEff|CapBnd|NoNewPrivs)", "/proc/self/status")
        fields = {line.split(":")[0]: line.split()[1] for line in status.splitlines()}
        expect(fields["Uid"] != "0", f"{service} is root")
        expect(int(fields["CapEff"], 16) == 0 and int(fields["CapBnd"], 16) == 0, f"{service} has capabilities: {fields}")
        expect(fields["NoNewPrivs"] == "1", f"{service} may gain privileges")
        refused = project.inside(service, "sh", "-c", "touch /usr/x", check=False)
        expect("Read-only file system" in refused, f"{service} may write: {refused}")
        limits = project.inspect(service, "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{index .HostConfig.LogConfig.Config \"max-size\"}}")
        expect(re.fullmatch(r"[1-9]\d+ [1-9]\d+ 10m", limits), f"{service} has limits: {limits}")


def bare():
    with Project("bare") as project:
        project.compose("up", "-d", "--wait")
        say("bare: all services are healthy, though no target is set")
        time.sleep(3)
        for worker, variable in zip(WORKERS, ("BATON_MAILCOW_URL", "BATON_REDMINE_URL", "BATON_SLACK_TOKEN")):
            expect(project.inspect(worker, "{{.RestartCount}}") == "0", f"{worker} is not started again and again")
            log = project.compose("logs", "--no-log-prefix", worker)
            expect(variable in log and "waits" in log, f"{worker} says what it waits for:\n{log}")
        say("bare: workers without a target wait, and their log says for what")
        check_confinement(project, ("postgres", "baton", *WORKERS))
        worker_files = project.inside("worker-redmine", "ls", "/run/secrets").split()
        expect("admin_password" not in worker_files and "database_url" not in worker_files, f"a worker has {worker_files}")
        reached = project.inside("worker-redmine", "timeout", "5", "bash", "-c", ": </dev/tcp/postgres/5432 && echo reached", check=False)
        expect("reached" not in reached, "a worker does not reach the database")
        say("bare: nobody is root, has capabilities or writes beside volumes; workers have no administrator's password and no way to the database")
        # Stopping is quick, also while it waits.
        begun = time.monotonic()
        project.compose("stop", *WORKERS)
        expect(time.monotonic() - begun < 8, "workers that wait stop at once")
        say(f"bare: workers that wait stop within {time.monotonic() - begun:.1f} s")


def kill_all_in_turn(project, people):
    project.slow_down(6000)
    project.start_runs("crash", people)
    for service in ("baton", "worker-mail", "worker-redmine", "worker-slack", "postgres", "baton"):
        done = project.completed()
        expect(done < len(project.expected), f"all runs ended before {service} could be killed; take more people")
        project.kill(service)
        say(f"{service} killed after {done} of {len(project.expected)} runs, and started again")
    project.await_all()
    project.check_once()
    say(f"{len(project.expected)} runs completed, each user once")


def down_and_up(project, people):
    project.start_runs("down", people)
    done = project.completed()
    project.compose("down")
    expect(done < len(project.expected), "all runs ended before `down`; take more people")
    say(f"down after {done} of {len(project.expected)} runs")
    project.compose("up", "-d", "--wait")
    project.await_all()
    project.check_once()
    say(f"up again: {len(project.expected)} runs completed, each user once")


def without_server(project):
    project.compose("stop", "baton")
    time.sleep(25)
    for worker in WORKERS:
        expect(project.health(worker) == "healthy", f"{worker} is {project.health(worker)} while it waits for the server")
    begun = time.monotonic()
    project.compose("stop", "worker-redmine")
    expect(time.monotonic() - begun < 8, "a worker that waits for the server stops at once")
    say(f"25 s without a server: workers are healthy, and one stops within {time.monotonic() - begun:.1f} s")
    project.compose("up", "-d", "--wait")
    project.run_one("afterwards")
    project.check_once()
    say("the server is back: workers found it, a run completed")


def new_passwords(project):
    for user, name in (("admin", "admin_password"), ("worker", "worker_password"), ("postgres", "postgres_password")):
        old = project.secret(name)
        project.script("change-password", user)
        expect(project.secret(name) != old, f"{user} has another password")
        project.run_one(f"password-{user}")
        log_in = project.inside("baton", "env", "-u", "BATON_PASSWORD_FILE", f"BATON_USER={user}", f"BATON_PASSWORD={old}", "baton", "runs", check=False)
        expect("401" in log_in or "user or password" in log_in or "refused" in log_in, f"the old password is refused: {log_in}")
    project.check_once()
    say("passwords of admin, worker and the database changed, each by one command; runs go on")


def edited_workflow(project, workflows):
    file = workflows / "provision-user.toml"
    file.write_text(file.read_text().replace('description = "Mailbox', 'description = "Edited: mailbox'))
    project.compose("restart", "baton")
    project.compose("up", "-d", "--wait")
    live = {one["name"]: one["version"] for one in project.api("GET", "/api/workflows") if one["live"]}
    expect(live["provision-user"] == 2 and live["incident"] == 1, f"the edited workflow is live, and no other is new: {live}")
    say("an edited workflow is live after a restart of the server; no image was built")


def back_up_and_restore(project):
    project.slow_down(8000)
    project.start_runs("backup", 20)
    time.sleep(2)
    folder = project.script("backup", project.folder / "backups").strip().splitlines()[-1]
    expect(sorted(os.listdir(folder)) == ["messages.tar", "runs.dump"], f"a backup is whole: {os.listdir(folder)}")
    done = project.completed()
    expect(done < len(project.expected), "runs are under way while the backup is made")
    project.await_all()
    total = len(project.expected)
    project.script("restore", folder)
    baton.wait_for(lambda: project.completed() == total, "after a restore the runs of then complete", timeout=120, pause=0.5)
    project.check_once()
    say(f"backed up with {total - done} runs under way, restored: all {total} completed, each user once")
    project.slow_down(1)
    project.script("restore", f"{folder}/runs.dump")
    baton.wait_for(lambda: project.completed() == total, "from a dump alone the runs of then complete", timeout=180, pause=0.5)
    project.check_once()
    project.run_one("restored")
    say(f"restored from pg_dump alone: all {total} completed, each user once, and a new one")


def crash(people):
    with Project("crash", ("compose.yaml", "deploy/sandbox.yaml")) as project:
        project.compose("up", "-d", "--wait")
        project.run_one("ada")
        say("crash: all services are healthy, one user provisioned")
        kill_all_in_turn(project, people)
        down_and_up(project, people)
        project.compose("up", "-d", "--wait", "--scale", "worker-mail=3")
        queue = project.api("GET", "/api/queues/%2F/baton.task.mail.create")
        expect(queue["consumers"] == 3, f"three mail workers, {queue['consumers']} consumers")
        say("crash: three mail workers")


def care():
    with tempfile.TemporaryDirectory(prefix="baton-workflows-") as folder:
        workflows = pathlib.Path(folder)
        workflows.chmod(0o755)
        shutil.copytree(baton.ROOT / "workflows", workflows, dirs_exist_ok=True)
        with Project("care", ("compose.yaml", "deploy/sandbox.yaml"), BATON_WORKFLOWS=folder) as project:
            project.compose("up", "-d", "--wait")
            project.run_one("ada")
            say("care: all services are healthy, one user provisioned")
            back_up_and_restore(project)
            without_server(project)
            new_passwords(project)
            edited_workflow(project, workflows)


def demo():
    with Project("demo", demo=True) as project:
        # Not all that compose.yaml builds: the image under trial is there.
        project.compose("build", "redmine", "mail")
        project.compose("up", "-d", "--wait")
        say("demo: Redmine, postfix, dovecot, their database and the stand-in for Slack are healthy")
        project.run_one("grace")
        request = urllib.request.Request(f"http://127.0.0.1:{project.redmine}/users.json?name=grace",
                                         headers={"X-Redmine-API-Key": project.secret("redmine_key")})
        with urllib.request.urlopen(request, timeout=30) as answer:
            users = json.load(answer)["users"]
        expect([user["mail"] for user in users] == ["grace@example.org"], f"Redmine has {users}")
        rows = project.inside("mail-database", "psql", "-tA", "-U", "mail", "-d", "mail", "-c",
                              "select username, active from mailbox where local_part = 'grace'")
        expect(rows.strip() == "grace@example.org|t", f"the mail system has {rows}")
        state = json.loads(project.inside("slack", "baton", "sandbox", "--show", "--json"))
        expect([user["email"] for user in state["slack_users"] if user["email"].startswith("grace")] == ["grace@example.org"],
               f"Slack's stand-in has {state['slack_users']}")
        letter = {"to": "grace@example.org", "subject": "Welcome", "text": "Hello"}
        project.inside("baton", "baton", "call", "mail.send", "--with", json.dumps(letter))
        letters = baton.wait_for(lambda: project.inside(
            "mail", "sh", "-c", "find /var/vmail/example.org -path '*/grace*/new/*' -exec cat {} +", check=False), "the letter is in the mailbox")
        expect("Subject: Welcome" in letters and "To: grace@example.org" in letters, letters)
        say("demo: grace has a mailbox with a letter in it, a Redmine account and an invitation")
        project.kill("worker-redmine")
        project.kill("mail")
        project.run_one("edsger")
        say("demo: another one, with a worker and the mail system killed before")


def tls():
    https, amqps = baton.free_ports(2)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-tls-"))
    try:
        folder.chmod(0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "server.key", "-out", folder / "server.pem"],
                       check=True, capture_output=True)
        os.chown(folder / "server.key", 10001, 10001)
        with Project("tls", ("compose.yaml", "deploy/tls-proxy.yaml"), TLS_FOLDER=str(folder), BATON_HTTP_NAMES="localhost",
                     PUBLISH_HTTPS=f"127.0.0.1:{https}", PUBLISH_AMQPS=f"127.0.0.1:{amqps}") as project:
            project.compose("build", "tls-proxy")
            project.compose("up", "-d", "--wait", "tls-proxy")
            project.inside("tls-proxy", "nginx", "-t")
            context = ssl.create_default_context(cafile=str(folder / "server.pem"))
            login = base64.b64encode(f"admin:{project.secret('admin_password')}".encode()).decode()
            for method, path, body in (("GET", "/api/workflows", None), ("POST", "/api/runs", b'{"workflow":"nightly-sync"}')):
                request = urllib.request.Request(f"https://localhost:{https}{path}", method=method, data=body, headers={
                    "Authorization": f"Basic {login}", "Content-Type": "application/json", "Origin": f"https://localhost:{https}"})
                try:
                    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                        expect(answer.status < 300, f"{method} {path}: {answer.status}")
                except urllib.error.HTTPError as error:
                    # What a run needs is the workflow's business; that the request was let in is what counts.
                    expect(error.code == 422, f"{method} {path}: {error.code} {error.read()}")
            with socket.create_connection(("localhost", amqps), 5) as plain, context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(b"AMQP\x00\x00\x09\x01")
                first = secured.recv(7)
                expect(first[:1] == b"\x01", f"AMQPS answers {first}")
            check_confinement(project, ("tls-proxy",))
            say("tls: HTTPS and AMQPS by the proxy; browsers' requests are let in")
    finally:
        shutil.rmtree(folder)


def main(people, parts):
    image()
    trials = {"bare": bare, "crash": lambda: crash(people), "care": care, "demo": demo, "tls": tls}
    for part in parts or trials:
        trials[part]()
    say("ok")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60, sys.argv[2:])
