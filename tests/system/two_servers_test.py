"""What two servers of one PostgreSQL say of each other's runs: of two acts on one version of a run one wins, wherever they are
asked for, and a stream of events tells of all runs."""
import threading
import time
import unittest

import baton
import cluster
import v1

WAITS = """workflow = "waits"
[[step]]
id = "hold"
signal = "go"
"""


def deploy(client):
    client.ask("PUT", "/workflows/waits", WAITS, 201, Content_Type="application/toml")


class TwoServers(unittest.TestCase):
    def test_of_two_at_different_servers_who_saw_the_same_version_one_wins(self):
        house = cluster.Cluster(2)
        self.addCleanup(house.close)
        clients = [v1.Client(node) for node in house.nodes]
        deploy(clients[0])
        house.await_shared_out(house.nodes)
        for turn in range(6):
            run = clients[turn % 2].post("/runs", {"workflow": "waits"}, 201)["run"]
            tag = clients[0].ask("GET", "/runs/" + run).headers["ETag"]
            answers = []
            gate = threading.Barrier(2)

            def act(client, word):
                gate.wait()
                answers.append(client.ask("POST", f"/runs/{run}/{word}", {"reason": word}, If_Match=tag).status)
            threads = [threading.Thread(target=act, args=one) for one in zip(clients, ("pause", "terminate"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(answers), [200, 412])

    def test_a_stream_tells_of_the_runs_of_every_server(self):
        house = cluster.Cluster(2)
        self.addCleanup(house.close)
        clients = [v1.Client(node) for node in house.nodes]
        deploy(clients[0])
        house.await_shared_out(house.nodes)
        streams = [v1.Events(node, "runs") for node in house.nodes]
        heard = [{}, {}]

        def listen(at):
            while (event := streams[at].next()) is not None:
                if event[1] == "run":
                    heard[at][event[2]["run"]] = (event[2]["seq"], event[2]["status"])
        for at in (0, 1):
            threading.Thread(target=listen, args=[at], daemon=True).start()
        time.sleep(1.5)  # both have looked around once
        runs = [client.post("/runs", {"workflow": "waits"}, 201)["run"] for client in clients for _ in range(4)]
        for at in (0, 1):
            baton.wait_for(lambda: set(runs) <= set(heard[at]), f"server {at} tells of all")
        for run in runs:
            clients[0].post(f"/runs/{run}/pause", {"reason": "wait"})
        wanted = {run: (2, "paused") for run in runs}
        for at in (0, 1):
            baton.wait_for(lambda: {run: heard[at].get(run) for run in runs} == wanted, f"server {at} tells where all are")


if __name__ == "__main__":
    unittest.main()
