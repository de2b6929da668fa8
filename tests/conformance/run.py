#!/usr/bin/python3
"""Runs the conformance suite and says how far the brokers agree.

    run.py [--broker baton|rabbitmq|both] [--record] [module[.test] ...]

--record writes expected/: RabbitMQ's answers are the rule, Baton's are written for the tests marked as
different. CONFORMANCE_URL names a running broker, CONFORMANCE_BROKER which of the two it is like.
"""
import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True


def run_here(names):
    sys.path.insert(0, str(HERE))
    import unittest

    import case
    wanted = [n for n in names] or sorted(p.stem.removesuffix("_test") for p in HERE.glob("*_test.py"))
    suite = unittest.TestSuite()
    for name in wanted:
        module, _, test = name.partition(".")
        loaded = unittest.defaultTestLoader.loadTestsFromName(module + "_test")
        for group in loaded:
            for one in group:
                if not test or one._testMethodName == test:
                    suite.addTest(one)
    result = unittest.TextTestRunner(verbosity=2 if os.environ.get("CONFORMANCE_VERBOSE") else 1).run(suite)
    agree, differ = case.Case.counted.get("agree", {}), case.Case.counted.get("differ", {})
    print(f"{os.environ['CONFORMANCE_BROKER']}: {result.testsRun} tests, {len(result.failures)} failed, {len(result.errors)} errors; "
          f"{sum(n for n, _ in agree.values())} answers in {len(agree)} tests are one for both brokers, "
          f"{sum(n for n, _ in differ.values())} in {len(differ)} tests differ on purpose:")
    for name, (_, reason) in sorted(differ.items()):
        print(f"  {name}: {reason}")
    return 0 if result.wasSuccessful() else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", choices=("baton", "rabbitmq", "both"), default="baton")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--if-asked", action="store_true", help="do nothing unless CONFORMANCE_RABBITMQ is set")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.if_asked and not os.environ.get("CONFORMANCE_RABBITMQ"):
        print("CONFORMANCE_RABBITMQ is not set: RabbitMQ's answers are those recorded in expected/")
        return 77
    if options.record:
        os.environ["CONFORMANCE_RECORD"] = "1"
    if options.broker != "both":
        os.environ["CONFORMANCE_BROKER"] = options.broker
        return run_here(options.names)
    codes = [subprocess.call([sys.executable, __file__, "--broker", broker, *(["--record"] if options.record else []), *options.names])
             for broker in ("rabbitmq", "baton")]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
