"""The verbs of authors that need no server. `baton test`: the tests that are shipped beside workflows pass, also with crashes, and what fails is said in each of
its forms. `baton graph`: what is shipped is drawn in each form."""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import baton

WORKFLOWS = baton.ROOT / "workflows"
WORKFLOW = """workflow = "letter"
[[step]]
id = "mailbox"
task = "mail.create"
[[step]]
id = "letter"
task = "mail.send"
"""


class WorkflowTestsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "letter.toml").write_text(WORKFLOW)

    def play(self, *words):
        return subprocess.run([baton.EXE, "test", *map(str, words)], capture_output=True, text=True, timeout=300, cwd=self.folder)

    def write(self, text):
        (self.folder / "letter.test.toml").write_text(text)

    def test_what_is_shipped_passes_whatever_crashes(self):
        done = self.play("--crash", "--coverage", WORKFLOWS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(" 0 failed", done.stdout)

    def test_every_pattern_passes_whatever_crashes(self):
        done = self.play("--crash", baton.ROOT / "tests" / "patterns")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(" 0 failed", done.stdout)

    def test_the_page_of_patterns_has_all_of_them(self):
        page = (baton.ROOT / "docs" / "patterns.md").read_text()
        rows = re.findall(r"^\| (\d+) \|.*\| (none yet|\[.*\]\(\.\./tests/patterns/(.*)\)) \|$", page, re.M)
        self.assertEqual([int(row[0]) for row in rows], list(range(1, 44)))
        there = {file.name for file in (baton.ROOT / "tests" / "patterns").glob("*.toml") if not file.name.endswith(".test.toml")}
        self.assertEqual({row[2] for row in rows if row[2]}, there)
        self.assertEqual([row for row in rows if row[2] and int(row[2][:2]) != int(row[0])], [])

    def test_a_failure_in_each_of_its_forms(self):
        self.write('[[test]]\nname = "<a> & b"\nmock = { "mail.create" = 1, "mail.send" = { error = "no", retryable = false } }\n'
                   'expect = { status = "completed" }\n[[test]]\nname = "good"\nmock = { "*" = 1 }\nexpect = { status = "completed" }\n')
        done = self.play("letter.test.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the run is failed, expected completed", done.stdout)
        self.assertIn("1 passed, 1 failed", done.stdout)
        done = self.play("--json", "--junit", "out.xml", ".")
        self.assertEqual(done.returncode, 1)
        tests = json.loads(done.stdout)[0]["tests"]
        self.assertEqual([one["passed"] for one in tests], [False, True])
        suite = xml.etree.ElementTree.parse(self.folder / "out.xml").getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "1"))
        self.assertEqual(suite.find("testcase").get("name"), "<a> & b")
        self.assertEqual(self.play("--only", "good", ".").returncode, 0)
        self.assertEqual(self.play("--only", "nothing", ".").returncode, 2)

    def test_a_worker_that_has_an_effect_each_time_is_found(self):
        self.write('[[test]]\nname = "x"\nmock = { "mail.create" = 1, "mail.send" = { result = 1, idempotent = false } }\n'
                   'expect = { status = "completed" }\n')
        self.assertEqual(self.play(".").returncode, 0)
        done = self.play("--crash", ".")
        self.assertEqual(done.returncode, 1)
        self.assertIn("'mail.send' was handed to a worker twice", done.stdout)
        self.assertIn("the server dies and starts again", done.stdout)

    def test_files_that_cannot_be_used(self):
        self.write('[[test]]\nname = "x"\nmock = { "mail.crate" = 1 }\nexpect = { status = "completed" }\n')
        done = self.play(".")
        self.assertEqual(done.returncode, 2)
        self.assertIn("letter.test.toml:3:10: error:", done.stdout)
        self.assertIn("did you mean 'mail.create'?", done.stdout)
        for words, said in ((["letter.toml"], "is no test file"), (["absent.test.toml"], "cannot read"), (["--only", "x", "/var/empty"], "cannot read")):
            done = self.play(*words)
            self.assertEqual(done.returncode, 2, words)
        empty = self.folder / "empty"
        empty.mkdir()
        done = self.play(empty)
        self.assertEqual((done.returncode, done.stderr), (2, "baton: there is no *.test.toml\n"))
        (self.folder / "letter.toml").write_text("workflow = 1\n")
        done = self.play(".")
        self.assertEqual(done.returncode, 2)
        self.assertIn("letter.toml:1:", done.stdout)

    def test_check_looks_at_tests_as_well(self):
        check = lambda *words: subprocess.run([baton.EXE, "check", *words], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.write('[[test]]\nname = "x"\nmock = { "*" = 1 }\nexpect = { status = "completed" }\n')
        done = check("letter.toml", "letter.test.toml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("letter.test.toml: ok, 1 tests", done.stdout)
        self.write('[[test]]\nname = "x"\nmock = { a = 1 }\nexpect = { status = "completed" }\n')
        done = check("--json", "letter.test.toml")
        self.assertEqual((done.returncode, json.loads(done.stdout)[0]["line"]), (1, 3))
        (self.folder / "letter.toml").unlink()
        done = check("letter.test.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("have no workflow beside them", done.stderr)

    def test_workflows_are_drawn(self):
        for file in sorted(WORKFLOWS.glob("*.toml")):
            if file.name.endswith(".test.toml"):
                continue
            with self.subTest(file.name):
                drawn = {form: subprocess.run([baton.EXE, "graph", "--format", form, file], capture_output=True, text=True, timeout=60)
                         for form in ("mermaid", "dot", "svg")}
                self.assertEqual([one.returncode for one in drawn.values()], [0, 0, 0])
                self.assertTrue(drawn["mermaid"].stdout.startswith("flowchart TD\n"))
                self.assertTrue(drawn["dot"].stdout.startswith("digraph "))
                image = xml.etree.ElementTree.fromstring(drawn["svg"].stdout)
                steps = [one for one in image.iter("{http://www.w3.org/2000/svg}g") if one.get("data-step")]
                self.assertGreater(len(steps), 1)
        (self.folder / "bad.toml").write_text("workflow = 1\n")
        done = subprocess.run([baton.EXE, "graph", "bad.toml"], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("bad.toml:1:", done.stderr)


if __name__ == "__main__":
    unittest.main()
