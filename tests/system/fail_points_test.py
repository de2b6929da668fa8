"""The server dies once at every step of its algorithm, with each store. `scripts/campaign failpoints` does it 200 times."""
import pathlib
import re
import unittest

import baton
import fail_points


class FailPointsTest(unittest.TestCase):
    def test_every_point_is_met(self):
        written = set()
        for room in ("orchestrator", "broker"):
            for path in (baton.ROOT / room).rglob("*.cpp"):
                written.update(re.findall(r'fail_point\("([^"]+)"\)', pathlib.Path(path).read_text()))
        # Those of triggers are met in schedules_test.
        written = {point for point in written if not point.startswith("triggers.")}
        self.assertEqual(written, set(fail_points.POINTS))

    # The cursor is written in moments of rest, which a server that is killed all the time seldom has: the campaign
    # has the patience.
    SHORT = [point for point in fail_points.POINTS if "cursor" not in point]

    def test_sqlite(self):
        fail_points.play("sqlite", 1, self.SHORT)

    def test_postgres(self):
        fail_points.play("postgres", 1, [point for point in self.SHORT if not point.startswith("journal.")])


if __name__ == "__main__":
    unittest.main()
