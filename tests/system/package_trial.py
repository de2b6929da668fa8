"""The Debian package in a bare Debian 12 whose first process is systemd:
    package_trial.py PREVIOUS.deb PACKAGE.deb
Installs PREVIOUS, runs a workflow, upgrades to PACKAGE while runs are under way, removes, installs again,
purges; the sandbox of the executable stands in for the targets. The machine is made by debootstrap and
started by systemd-nspawn with a network of its own, which has no way out. As root. BATON_BARE_DEBIAN=FOLDER is copied
instead of making a new one.
Prints what happened; exit code 0 when every promise was kept."""
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import baton

ADMIN = ("env", "BATON_USER=admin", "BATON_PASSWORD_FILE=/etc/baton/secrets/admin_password")
RUNS = 40
DEBIAN = "http://deb.debian.org/debian"


def call(*command, check=True, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Machine:
    """A bare Debian 12 in a folder; from start() on it is booted."""

    def __init__(self, packages):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="baton-package-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.root.chmod(0o755)  # its root folder, which users other than root have to pass
        self.process = None
        self.leader = None
        if "BATON_BARE_DEBIAN" in os.environ:
            call("cp", "-a", f"{os.environ['BATON_BARE_DEBIAN']}/.", self.root)
        else:
            call("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,ca-certificates", "bookworm",
                 self.root, DEBIAN)
        # How this machine reaches Debian's packages, the new one has to know too.
        shutil.copytree("/etc/apt/apt.conf.d", self.root / "etc/apt/apt.conf.d", dirs_exist_ok=True)
        for file in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(file, self.root / file[1:])
        self.packages = []
        for package in packages:
            name = f"/root/{pathlib.Path(package).name}"
            shutil.copy(package, self.root / name[1:])
            self.packages.append(name)
        # Booted, it reaches nobody: what the packages depend on is fetched now.
        call("chroot", self.root, "apt-get", "-q", "update")
        for name in self.packages:
            call("chroot", self.root, "apt-get", "-qy", "--no-install-recommends", "-o", "APT::Keep-Downloaded-Packages=1",
                 "-o", "APT::Sandbox::User=root", "-o", "Binary::apt-get::APT::Keep-Downloaded-Packages=1", "--download-only", "install", name)

    def start(self):
        self.log = open(self.root.with_suffix(".log"), "wb")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--quiet", "--console=pipe",
             "--boot", f"--directory={self.root}", f"--machine=baton-package-{os.getpid()}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        baton.wait_for(self.find_leader, "systemd runs", timeout=30)
        baton.wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
                       "the machine is up", timeout=90, pause=0.5)

    def find_leader(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            status = pathlib.Path(f"/proc/{child}/status").read_text()
            if status[status.index("NSpid:"):].splitlines()[0].split()[-1] == "1":
                self.leader = child
        return self.leader

    def run(self, *command, check=True):
        return call("nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "env", "-i", "HOME=/root", "LANG=C.UTF-8",
                    "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", *command, check=check)

    def read(self, path):
        return self.run("cat", path).stdout

    def write(self, path, text):
        self.run("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, path)

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def property(self, unit, name):
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def baton(self, *args, check=True):
        return self.run(*ADMIN, "baton", *args, check=check)

    def end(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()
            self.root.with_suffix(".log").unlink()
        shutil.rmtree(self.root, ignore_errors=True)


class Trial:
    def __init__(self, machine):
        self.machine = machine
        self.begun = time.monotonic()
        self.people = []

    def say(self, text):
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def expect(self, is_so, what):
        if not is_so:
            raise AssertionError(what)

    def install(self, package):
        self.machine.run("apt-get", "-qy", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
                         "-o", "Dpkg::Options::=--force-confold", "install", "--allow-downgrades", package)

    def wait_until_it_works(self):
        self.machine.baton("await", "--timeout", "60s")

    def counts(self):
        runs = json.loads(self.machine.baton("runs", "--limit", "1000", "--json").stdout)
        runs = runs if isinstance(runs, list) else runs.get("items", runs.get("runs"))
        return collections.Counter(run["status"] for run in runs)

    def start_run(self, name, *options):
        self.people.append(f"{name}@example.org")
        return self.machine.baton("run", "provision-user", "--set", f"email={name}@example.org", "--set", "first_name=Ada",
                                  "--set", f"last_name={name.capitalize()}", *options)

    def check_once(self):
        state = json.loads(self.machine.run("baton", "sandbox", "--show", "--json").stdout)
        for system, field in (("mailboxes", "username"), ("redmine_users", "mail"), ("slack_users", "email")):
            counted = collections.Counter(entry.get(field) for entry in state[system])
            wrong = {email: counted[email] for email in self.people if counted[email] != 1}
            self.expect(not wrong, f"{system}: not once: {wrong}")

    def fresh(self, previous):
        machine = self.machine
        self.install(previous)
        self.wait_until_it_works()
        self.expect(machine.property("baton.service", "UnitFileState") == "enabled", "the server starts at boot")
        pid = machine.property("baton.service", "MainPID")
        self.expect(machine.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip() == "baton", "the server is not root")
        self.expect(machine.run("stat", "-c", "%U %a", "/etc/baton/secrets").stdout.strip() == "root 700", "secrets are root's")
        self.expect(machine.run("stat", "-c", "%U %a", "/var/lib/baton").stdout.strip() == "baton 700", "data are baton's")
        guest = machine.run("baton", "runs", check=False)
        self.expect(guest.returncode != 0, "guest has no way in")
        self.say("installed: the server runs under systemd as user baton, and guest is not let in")

        # A worker whose target is not set says so once, and is not started for ever.
        machine.run("systemctl", "start", "baton-worker@redmine", check=False)
        baton.wait_for(lambda: machine.property("baton-worker@redmine", "ActiveState") == "failed", "a worker without target ends")
        time.sleep(6)
        self.expect(machine.property("baton-worker@redmine", "NRestarts") == "0", "it is not started again")
        journal = machine.run("journalctl", "-u", "baton-worker@redmine", "--no-pager").stdout
        self.expect("BATON_REDMINE_URL" in journal, "the journal says what is missing")
        self.say("a worker without its target says what is missing and stays down")

    def workers(self):
        machine = self.machine
        machine.run("systemd-run", "--quiet", "--unit=sandbox", "/usr/bin/baton", "sandbox")
        for worker, variables, secrets in (
                ("mail", "BATON_MAILCOW_URL=http://127.0.0.1:15680/mailcow", {"mailcow_key": "sandbox-mailcow-key"}),
                ("redmine", "BATON_REDMINE_URL=http://127.0.0.1:15680/redmine", {"redmine_key": "sandbox-redmine-key"}),
                ("slack", "BATON_SLACK_URL=http://127.0.0.1:15680/slack/api\nBATON_SLACK_TEAM=T0SANDBOX",
                 {"slack_token": "sandbox-slack-token"})):
            machine.write(f"/etc/baton/worker-{worker}.env", variables + "\n")
            for name, secret in secrets.items():
                machine.write(f"/etc/baton/secrets/{name}", secret)
            machine.run("systemctl", "reset-failed", f"baton-worker@{worker}", check=False)
            machine.run("systemctl", "enable", "--now", f"baton-worker@{worker}")
        self.start_run("first")
        self.check_once()
        self.say("a run completed: mailbox, account and invitation")
        for unit in ("baton.service", "baton-worker@mail.service"):
            line = machine.run("systemd-analyze", "security", "--no-pager", unit).stdout.strip().splitlines()[-1]
            self.expect(float(line.split(":")[1].split()[0]) < 3, line)
            self.say(line)

    def crash(self):
        machine = self.machine
        machine.run("systemctl", "kill", "-s", "KILL", "baton.service")
        baton.wait_for(lambda: machine.property("baton.service", "NRestarts") == "1", "systemd starts it again")
        self.wait_until_it_works()
        self.start_run("second")
        self.check_once()
        self.say("killed, started again by systemd, and a run completed")

    def slow_down(self, milliseconds):
        faults = {task: {"delay_ms": milliseconds} for task in ("mail.create", "redmine.create_user", "slack.invite")}
        call("nsenter", "-t", self.machine.leader, "-n", "curl", "-fsS", "-X", "POST", "-d", json.dumps(faults),
             "http://127.0.0.1:15680/sandbox/faults")

    def upgrade(self, package):
        machine = self.machine
        machine.write("/etc/baton/baton.toml", machine.read("/etc/baton/baton.toml") + "# edited here\n")
        password = machine.read("/etc/baton/secrets/admin_password")
        self.slow_down(3000)
        for i in range(RUNS):
            self.start_run(f"upgrade{i}", "--detach")
        before = self.counts()
        self.expect(before["running"] + before["queued"] > 5, f"runs are under way: {dict(before)}")
        pids = {unit: machine.property(unit, "MainPID") for unit in ("baton.service", "baton-worker@slack.service")}
        self.install(package)
        self.wait_until_it_works()
        for unit, pid in pids.items():
            self.expect(machine.property(unit, "ActiveState") == "active", f"{unit} runs")
            self.expect(machine.property(unit, "MainPID") != pid, f"{unit} runs the new version")
        after = self.counts()
        self.expect(after["running"] > 0, f"runs were under way when the server was started again: {dict(after)}")
        self.say(f"upgraded with {before['running'] + before['queued']} of {before.total()} runs under way before, {after['running']} after")
        baton.wait_for(lambda: self.counts()["completed"] == len(self.people), "all runs complete", timeout=120, pause=0.5)
        self.check_once()
        self.expect("# edited here" in machine.read("/etc/baton/baton.toml"), "an edited configuration is kept")
        self.expect(machine.read("/etc/baton/secrets/admin_password") == password, "passwords are kept")
        self.say(f"{len(self.people)} runs completed, each person once; configuration and passwords kept")

    def remove(self, package):
        machine = self.machine
        machine.run("apt-get", "-qy", "remove", "baton")
        self.expect(not machine.exists("/usr/bin/baton"), "the executable is gone")
        self.expect(machine.property("baton.service", "ActiveState") != "active", "the server is stopped")
        self.expect(machine.property("baton-worker@mail.service", "ActiveState") != "active", "workers are stopped")
        self.expect(machine.exists("/var/lib/baton/baton.sqlite"), "remove keeps the runs")
        self.install(package)
        self.wait_until_it_works()
        self.expect(self.counts()["completed"] == len(self.people), "runs are there after installing again")
        self.say("removed and installed again: runs are there")
        machine.run("apt-get", "-qy", "purge", "baton")
        for path in ("/var/lib/baton", "/var/lib/baton-worker-mail", "/etc/baton", "/usr/share/baton"):
            self.expect(not machine.exists(path), f"purge takes {path} away")
        self.expect(machine.run("getent", "passwd", "baton", check=False).returncode != 0, "purge takes the user away")
        left = machine.run("find", "/etc/systemd", "/lib/systemd/system", "/var/lib/systemd", "-name", "*baton*").stdout.split()
        self.expect(not left, f"purge leaves {left}")
        self.say("purged: nothing is left")


def main(previous, package):
    machine = Machine([previous, package])
    try:
        previous, package = machine.packages
        machine.start()
        trial = Trial(machine)
        trial.fresh(previous)
        trial.workers()
        trial.crash()
        trial.upgrade(package)
        trial.remove(package)
        trial.say("ok")
    except BaseException:
        if machine.process:
            print(machine.root.with_suffix(".log").read_text(errors="replace")[-2000:])
        if machine.leader:
            print(machine.run("journalctl", "--no-pager", "-n", "60", check=False).stdout)
        raise
    finally:
        machine.end()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
