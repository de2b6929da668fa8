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
        self.assertEqual(written, set(fail_points.POINTS))

    def test_sqlite(self):
        fail_points.play("sqlite", 1)

    def test_postgres(self):
        fail_points.play("postgres", 1)


if __name__ == "__main__":
    unittest.main()
