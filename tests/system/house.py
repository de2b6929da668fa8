"""The whole house as separate processes: sandbox, server, workers. Each can be killed and started
again on its own, which is what the crash tests do."""
import csv
import signal
import subprocess
import threading
import time

import pika

import baton

WORKER_SETTINGS = {
    "BATON_MAILCOW_KEY": "sandbox-mailcow-key",
    "BATON_REDMINE_KEY": "sandbox-redmine-key",
    "BATON_SLACK_TOKEN": "sandbox-slack-token",
    "BATON_SLACK_TEAM": "T0SANDBOX",
}


class House:
    def __init__(self, env=None, workers=("mail", "redmine", "slack"), verb="serve"):
        self.server = baton.Server(verb=verb, env=env)
        self.env = self.server.env
        sandbox = f"http://127.0.0.1:{self.server.sandbox}"
        self.env.update(WORKER_SETTINGS)
        self.env.update({
            "BATON_WORKFLOWS": str(baton.ROOT / "workflows"),
            "BATON_MAILCOW_URL": sandbox + "/mailcow",
            "BATON_REDMINE_URL": sandbox + "/redmine",
            "BATON_SLACK_URL": sandbox + "/slack/api",
        })
        # Workers find the broker by the same variable a server uses for an external one, so theirs is
        # an environment of its own.
        self.worker_env = dict(self.env, BATON_BROKER_URL=(env or {}).get("BATON_BROKER_URL", self.env["BATON_AMQP"]))
        self.worker_names = workers
        self.sandbox = None
        self.workers = {}

    def start(self):
        self.sandbox = self.spawn("sandbox", self.env)
        baton.wait_for(lambda: baton.accepts(self.server.sandbox), "the sandbox starts")
        self.server.start()
        for name in self.worker_names:
            self.start_worker(name)
        self.await_workers()
        return self

    FIRST_TASKS = {"mail": "mail.create", "redmine": "redmine.create_user", "slack": "slack.invite"}

    def await_workers(self):
        """Until every worker consumes: a task may be sent before, a call needs somebody who listens."""
        def consuming():
            connection = pika.BlockingConnection(pika.URLParameters(self.worker_env["BATON_BROKER_URL"]))
            try:
                channel = connection.channel()
                return all(channel.queue_declare("baton.task." + self.FIRST_TASKS[name], passive=True).method.consumer_count
                           for name in self.worker_names)
            except pika.exceptions.ChannelClosedByBroker:
                return False
            finally:
                connection.close()
        baton.wait_for(consuming, "the workers consume", 30, pause=0.1)

    def spawn(self, *args_and_env):
        *args, env = args_and_env
        with open(self.server.home / (args[-1] + ".log"), "ab") as log:
            return subprocess.Popen([baton.EXE, *args], env=env, cwd=self.server.home,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_worker(self, name):
        self.workers[name] = self.spawn("worker", name, self.worker_env)

    def kill_worker(self, name):
        self.workers[name].send_signal(signal.SIGKILL)
        self.workers[name].wait()

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
                         for path in sorted(self.server.home.glob("*log")))

    def close(self):
        for process in [*self.workers.values(), self.sandbox]:
            if process and process.poll() is None:
                process.terminate()
        for process in [*self.workers.values(), self.sandbox]:
            if process:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.server.close()

    def people(self, count, first=0):
        """Writes a CSV file of `count` people; their mail addresses are returned with its path."""
        path = self.server.home / f"people-{first}.csv"
        addresses = [f"user{i}@example.org" for i in range(first, first + count)]
        with open(path, "w", newline="") as f:
            rows = csv.writer(f)
            rows.writerow(["email", "first_name", "last_name"])
            for i, address in enumerate(addresses):
                rows.writerow([address, f"First{i}", f"Last {i}"])
        return path, addresses


class Repeatedly:
    """Does `action` every `pause` seconds on a thread until left; counts how often."""

    def __init__(self, action, pause):
        self.action, self.pause, self.count, self.error = action, pause, 0, None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.done.wait(self.pause):
                self.action()
                self.count += 1
        except BaseException as error:  # noqa: B902 - shown by the test that waits
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(60)


def now():
    return time.monotonic()
