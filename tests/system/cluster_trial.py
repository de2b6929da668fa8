"""Three orchestrators, PostgreSQL and RabbitMQ (three nodes where they fit) under load, and one process of any
kind killed every second: cluster_trial.py SECONDS [RABBITMQ_NODES] [SEED]. RABBITMQ_NODES 0: a Baton broker."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

import baton
import cluster

SCRIPT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
COOKIE = "BATONTESTCOOKIE"


class Rabbits:
    """Nodes that find each other, with an epmd of their own; ended by their group."""

    def __init__(self, count):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-rabbits-"))
        ports = baton.free_ports(2 * count + 1)
        self.epmd, self.ports, self.dist = ports[0], ports[1:count + 1], ports[count + 1:]
        (self.home / ".erlang.cookie").write_text(COOKIE)
        os.chmod(self.home / ".erlang.cookie", 0o400)
        (self.home / "enabled_plugins").write_text("[].")
        peers = "".join(f"cluster_formation.classic_config.nodes.{n + 1} = baton{n + 1}@localhost\n" for n in range(count))
        (self.home / "rabbitmq.conf").write_text(
            "cluster_formation.peer_discovery_backend = classic_config\n" + peers +
            "cluster_partition_handling = pause_minority\nlog.console = false\nloopback_users = none\n"
            "vm_memory_high_watermark.absolute = 400MiB\ndisk_free_limit.absolute = 50MB\nqueue_leader_locator = balanced\n")
        self.processes = [None] * count
        self.start_epmd()
        for n in range(count):
            self.start(n)
        for n in range(count):
            self.await_start(n)
        self.url = "amqp://guest:guest@" + ",".join(f"127.0.0.1:{port}" for port in self.ports) + "/"
        self.urls = [f"amqp://guest:guest@127.0.0.1:{port}/" for port in self.ports]

    def start_epmd(self):
        self.epmd_process = subprocess.Popen(["epmd", "-port", str(self.epmd), "-address", "127.0.0.1"],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, n):
        home = self.home / f"n{n}"
        (home / "mnesia").mkdir(parents=True, exist_ok=True)
        (home / "log").mkdir(exist_ok=True)
        env = dict(os.environ, HOME=str(self.home), ERL_EPMD_PORT=str(self.epmd), ERL_EPMD_ADDRESS="127.0.0.1",
                   RABBITMQ_NODENAME=f"baton{n + 1}@localhost", RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
                   RABBITMQ_NODE_PORT=str(self.ports[n]), RABBITMQ_DIST_PORT=str(self.dist[n]),
                   RABBITMQ_MNESIA_BASE=str(home / "mnesia"), RABBITMQ_LOG_BASE=str(home / "log"), RABBITMQ_PID_FILE=str(home / "pid"),
                   RABBITMQ_CONFIG_FILE=str(self.home / "rabbitmq.conf"),
                   RABBITMQ_ENABLED_PLUGINS_FILE=str(self.home / "enabled_plugins"), RABBITMQ_CONF_ENV_FILE="/dev/null",
                   RABBITMQ_ADVANCED_CONFIG_FILE=str(self.home / "none"),
                   RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none")
        with open(home / "out", "ab") as out:
            self.processes[n] = subprocess.Popen([SCRIPT], env=env, cwd=self.home, start_new_session=True, stdin=subprocess.DEVNULL,
                                                 stdout=out, stderr=out)

    def is_up(self, n):
        try:
            with socket.create_connection(("127.0.0.1", self.ports[n]), 1) as one:
                one.settimeout(2)
                one.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(one.recv(1))
        except OSError:
            return False

    def await_start(self, n):
        baton.wait_for(lambda: self.is_up(n), f"RabbitMQ node {n + 1} starts", 180, 0.3)

    def kill(self, n):
        os.killpg(self.processes[n].pid, signal.SIGKILL)
        self.processes[n].wait()

    def close(self):
        for process in self.processes:
            if process and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.epmd_process.terminate()
        self.epmd_process.wait()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    if count > 0 and not os.path.exists(SCRIPT):
        sys.exit("RabbitMQ is not installed: apt-get install rabbitmq-server")
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    rabbits = Rabbits(count) if count > 0 else None
    house = cluster.Cluster(3, (rabbits.ports[0], rabbits.url) if rabbits else None)
    worker = None
    try:
        house.nodes[0].deploy(cluster.WORKFLOW)
        worker = cluster.Worker(rabbits.urls if rabbits else house.broker_url)
        house.await_shared_out(house.nodes, timeout=60)
        load = cluster.Load(house.nodes)
        killed = {"orchestrator": 0, "broker": 0, "postgres": 0, "hangs": 0}
        end = time.monotonic() + seconds
        down = None  # a RabbitMQ node that comes back: one at a time, a majority must live
        while time.monotonic() < end:
            time.sleep(1)
            kind = chance.choices(("orchestrator", "broker", "postgres", "hangs"), (6, 2, 1, 1))[0]
            if kind == "orchestrator":
                node = chance.choice(house.nodes)
                node.kill()
                node.start(90)
            elif kind == "hangs":
                node = chance.choice(house.nodes)
                os.kill(node.process.pid, signal.SIGSTOP)
                time.sleep(chance.choice((1, 7)))
                os.kill(node.process.pid, signal.SIGCONT)
            elif kind == "postgres":
                house.postgres.restart(is_hard=True)
            elif rabbits:
                if down is not None and not rabbits.is_up(down):
                    continue
                down = chance.randrange(count)
                rabbits.kill(down)
                rabbits.start(down)
                if count < 3:
                    rabbits.await_start(down)
            else:
                house.broker.kill()
                house.broker.start(90)
            killed[kind] += 1
        if down is not None:
            rabbits.await_start(down)
        house.await_shared_out(house.nodes, timeout=60)
        runs = load.stop()
        troubles = cluster.verdict(house.nodes[0], worker, runs, 300)
        again = sum(n - 1 for n in worker.asked.values())
        print(f"{len(runs)} runs, killed: {killed}, {again} tasks asked for again")
        for trouble in troubles[:50]:
            print("TROUBLE", trouble)
        return 1 if troubles else 0
    finally:
        if worker:
            worker.close()
        house.close()
        if rabbits:
            rabbits.close()


if __name__ == "__main__":
    sys.exit(main())
