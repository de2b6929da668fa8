"""Checks the models of docs/durability.md with spin: each holds as it is, and misses something when a part is left out.

    python3 -m unittest models_test            what scripts/test runs
    python3 models_test.py --deep              one fault more: minutes, and gigabytes of memory
    python3 models_test.py --trail MODEL PROPERTY [-DNAME...]   prints the way to a counterexample, step by step
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = ["-DTASKS=2", "-DFAULTS=2"]
WIDE = ["-DTASKS=3", "-DFAULTS=1"]
ALONE = ["-DTASKS=2", "-DSIDE_BY_SIDE", "-DALONE", "-DFAULTS=2"]
NODES = ["-DFAULTS=2"]


def run(command, folder, limit=1200):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Outcome:
    """What the search found: the claim that is violated, or nothing after so many states."""

    def __init__(self, said):
        self.said = said
        violated = re.search(r"^pan:1: (.*) \(at depth", said, re.M)
        self.violation = violated.group(1) if violated else ""
        states = re.search(r"(\S+) states, stored", said)
        self.states = int(float(states.group(1))) if states else 0
        self.is_complete = "errors:" in said and "max search depth too small" not in said and "out of memory" not in said


def search(model, claim, options, folder, speed="-O2"):
    run(["spin", *options, "-a", os.path.join(HERE, f"{model}.pml")], folder)
    run(["gcc", speed, "-w", "-DNOREDUCE", "-DCOLLAPSE", "-DMEMLIM=6000", "-o", "pan", "pan.c"], folder)
    # -a looks for executions that never do what the claim says, as well as for failed assertions. Where a run shall
    # be seen stuck, assertions on the way there are passed over.
    passing = ["-A"] if claim == "run_ends" else []
    return Outcome(run(["./pan", "-a", *passing, "-m500000", "-N", claim], folder))


class ModelTest(unittest.TestCase):
    def look(self, model, claim, options, speed="-O2"):
        with tempfile.TemporaryDirectory() as folder:
            found = search(model, claim, options, folder, speed)
        self.assertTrue(found.is_complete, found.said)
        return found

    def holds(self, model, claim, options):
        found = self.look(model, claim, options)
        self.assertEqual(found.violation, "", found.said)
        # A model in which nothing can happen holds, too.
        self.assertGreater(found.states, 1000, found.said)

    def misses(self, model, claim, options, part, expected):
        found = self.look(model, claim, [*options, f"-D{part}"], "-O0") # soon found
        self.assertIn(expected, found.violation, f"without {part}: {found.said}")

    # The hop protocol.

    def test_hop_of_two_tasks_with_two_faults(self):
        self.holds("hop", "comes_to_rest", SMALL)

    def test_hop_of_three_tasks_with_one_fault(self):
        self.holds("hop", "comes_to_rest", WIDE)

    def test_hop_of_one_process_with_two_faults(self):
        self.holds("hop", "comes_to_rest", ALONE)

    def test_hop_without_fence_leaves_a_run_stuck(self):
        self.misses("hop", "run_ends", SMALL, "NO_FENCE", "acceptance cycle")

    def test_hop_without_publishing_again_leaves_a_run_stuck(self):
        self.misses("hop", "run_ends", SMALL, "NO_REPUBLISH", "acceptance cycle")

    def test_hop_with_a_cursor_before_the_confirm_leaves_a_run_stuck(self):
        self.misses("hop", "run_ends", SMALL, "NO_CONFIRM", "acceptance cycle")

    def test_hop_with_reports_acknowledged_before_the_commit_leaves_a_run_stuck(self):
        self.misses("hop", "run_ends", SMALL, "NO_UNACKED", "acceptance cycle")

    def test_hop_that_counts_confirms_of_an_earlier_ownership_leaves_a_run_stuck(self):
        self.misses("hop", "run_ends", ALONE, "NO_LIFE_IN_PLACE", "acceptance cycle")

    def test_hop_that_ignores_a_report_without_asking_the_fence_loses_it(self):
        self.misses("hop", "comes_to_rest", SMALL, "NO_FENCE_FOR_IGNORED", "assertion violated (( !(node[n].holds_delivery)")

    def test_hop_that_takes_reports_of_any_attempt_makes_a_transition_twice(self):
        self.misses("hop", "comes_to_rest", SMALL, "NO_CURRENT_ATTEMPT", "assertion violated ((new_done!=done)")

    def test_hop_with_a_key_for_each_attempt_has_an_effect_twice(self):
        self.misses("hop", "comes_to_rest", SMALL, "NO_KEY", "assertion violated (recorded[")

    # Ownership.

    def test_ownership_one_node_writes(self):
        self.holds("ownership", "one_writes", NODES)

    def test_ownership_settles(self):
        self.holds("ownership", "settles", NODES)

    def test_ownership_without_fence_lets_two_write(self):
        self.misses("ownership", "one_writes", NODES, "NO_FENCE", "assertion violated  !(")

    def test_ownership_without_lease_leaves_it_to_one_that_hangs(self):
        self.misses("ownership", "settles", NODES, "NO_LEASE", "acceptance cycle")

    def test_ownership_without_session_waits_for_the_dead(self):
        self.misses("ownership", "one_writes", NODES, "NO_SESSION", "assertion violated (node[owner].is_running||")

    def test_ownership_that_takes_what_it_has_not_seen_robs_the_living(self):
        self.misses("ownership", "one_writes", NODES, "NO_COMPARE", "assertion violated (is_harmed||")

    def test_ownership_that_never_saw_a_session_robs_the_living(self):
        self.misses("ownership", "one_writes", NODES, "NO_SEEN", "assertion violated (is_harmed||")

    def test_ownership_that_believes_in_itself_leaves_a_partition_to_nobody(self):
        self.misses("ownership", "settles", NODES, "NO_SIGHT", "acceptance cycle")


def deep():
    runs = [("hop", "comes_to_rest", ["-DTASKS=2", "-DFAULTS=3"]), ("hop", "comes_to_rest", ["-DTASKS=3", "-DFAULTS=2"]),
            ("ownership", "one_writes", ["-DFAULTS=3"]), ("ownership", "settles", ["-DFAULTS=3"])]
    good = True
    for model, claim, options in runs:
        with tempfile.TemporaryDirectory() as folder:
            found = search(model, claim, options, folder)
        print(f"{model} {claim} {' '.join(options)}: {found.violation or 'holds'}, {found.states} states"
              f"{'' if found.is_complete else ', not all of them'}", flush=True)
        good = good and not found.violation
    return 0 if good else 1


def trail(model, claim, options):
    with tempfile.TemporaryDirectory() as folder:
        found = search(model, claim, options, folder)
        print(found.violation or f"holds, {found.states} states")
        if found.violation:
            print(run(["spin", *options, "-t", "-p", "-g", os.path.join(HERE, f"{model}.pml")], folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--deep"]:
        sys.exit(deep())
    if sys.argv[1:2] == ["--trail"]:
        trail(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        unittest.main()
