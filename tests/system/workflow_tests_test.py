"""The verbs of authors that need no server. `baton test`: the tests that are shipped beside workflows pass, also with crashes, and what fails is said in each of
its forms. `baton graph`: what is shipped is drawn in each form."""
import json
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest
import xml.etree.ElementTree

import jsonschema

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

    def test_check_of_a_folder_sees_names_that_are_there_twice(self):
        check = lambda *words: subprocess.run([baton.EXE, "check", *words], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.write('[[test]]\nname = "x"\nmock = { "*" = 1 }\nexpect = { status = "completed" }\n')
        step = '[[step]]\nid = "a"\ntask = "t"\n'
        for name in ("one", "two"):
            (self.folder / (name + ".toml")).write_text(f'workflow = "{name}"\n[[on]]\nrpc = "incident.open"\n{step}')
        done = check(".")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("./two.toml:3:7: error: the rpc 'incident.open' is taken by ./one.toml", done.stdout)
        self.assertIn("letter.test.toml: ok, 1 tests", done.stdout)
        self.assertEqual(check("one.toml", "two.toml").returncode, 0)
        (self.folder / "two.toml").write_text(f'workflow = "one"\n{step}')
        self.assertIn("./two.toml:1:12: error: the name 'one' is taken by ./one.toml", check(".").stdout)
        (self.folder / "two.toml").unlink()
        self.assertEqual(check(".").returncode, 0)
        (self.folder / "empty").mkdir()
        done = check("empty")
        self.assertEqual((done.returncode, done.stderr), (1, "baton: empty: there is no workflow in this folder\n"))

    def test_schemas_lie_beside_the_workflow(self):
        check = lambda *words: subprocess.run([baton.EXE, "check", *words], capture_output=True, text=True, timeout=60, cwd=self.folder)
        (self.folder / "letter.toml").write_text('workflow = "letter"\n[input]\nto = { schema = "schemas/to.json", required = true }\n'
                                                 '[[step]]\nid = "a"\nfor_each = "input.to"\ntask = "t"\nwith = { to = "${item.mail}" }\n')
        self.write('[[test]]\nname = "x"\ninput = { to = [ { mail = "a" } ] }\nmock = { "*" = 1 }\nexpect = { status = "completed" }\n')
        done = check("letter.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn('letter.toml:3:17: error: there is no schema "schemas/to.json"', done.stdout)
        (self.folder / "schemas").mkdir()
        (self.folder / "schemas" / "to.json").write_text('{"type": "array", "items": {"type": "object", "required": ["mail"]}, "maxItems": 1}')
        self.assertEqual(check("letter.toml", "letter.test.toml").returncode, 0)
        self.assertEqual(self.play(".").returncode, 0)
        self.write('[[test]]\nname = "x"\ninput = { to = [ { mali = "a" } ] }\nmock = { "*" = 1 }\nexpect = { status = "completed" }\n')
        done = self.play(".")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the input is refused: input.to: ", done.stdout)

    def schema(self):
        done = subprocess.run([baton.EXE, "schema"], capture_output=True, text=True, timeout=60, check=True)
        schema = json.loads(done.stdout)
        jsonschema.Draft7Validator.check_schema(schema)
        return jsonschema.Draft7Validator(schema)

    def test_the_schema_for_editors_accepts_what_is_right_and_sees_what_a_schema_can_see(self):
        validator = self.schema()
        right = [file for folder in (WORKFLOWS, baton.ROOT / "tests" / "patterns") for file in folder.glob("*.toml") if not file.name.endswith(".test.toml")]
        self.assertGreater(len(right), 40)
        for file in right:
            with self.subTest(file.name):
                self.assertEqual([error.message for error in validator.iter_errors(tomllib.loads(file.read_text()))], [])
        wrong = [file for word in ("type_of", "misspelt_top") for file in (baton.ROOT / "tests" / "check").glob(word + "_*.toml")]
        self.assertGreater(len(wrong), 100)
        for file in wrong:
            with self.subTest(file.name):
                self.assertFalse(validator.is_valid(tomllib.loads(file.read_text())))

    def examples(self):
        """The TOML of the pages: (page and line, workflow, tests or None). A comment above a block, not shown to readers, says
        what stands around it: `<!-- around` TOML in front, a line `...`, TOML behind `-->`."""
        found = []
        for name in ("workflows.md", "cookbook.md"):
            text = (baton.ROOT / "docs" / name).read_text()
            for block in re.finditer(r"(?:<!-- around\n(.*?)\n?-->\n)?^```toml\n(.*?)^```", text, re.M | re.S):
                around, source = block.groups()
                if source.startswith("[[test]]"):
                    found[-1][2] = source
                    continue
                front, _, behind = (around or "...").partition("...")
                source = front + source + behind
                if "workflow" not in tomllib.loads(source):
                    source = 'workflow = "example"\n' + source
                if "[[step]]" not in source:
                    source += '\n[[step]]\nid = "only_step"\ntask = "t"\n'
                found.append([f"{name}:{text[:block.start(2)].count(chr(10)) + 1}", source, None])
        return found

    def test_every_example_of_the_pages_is_right_and_its_tests_pass(self):
        all_examples = self.examples()
        self.assertGreater(len(all_examples), 25)
        self.assertGreater(len([one for one in all_examples if one[2]]), 10)
        for place, source, tests in all_examples:
            with self.subTest(place):
                (self.folder / "letter.toml").write_text(source)
                done = subprocess.run([baton.EXE, "check", "letter.toml"], capture_output=True, text=True, timeout=60, cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertNotIn("warning", done.stdout)
                if tests:
                    self.write(tests)
                    done = self.play("--crash", ".")
                    self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_key_of_the_language_is_in_an_example(self):
        schema = self.schema().schema
        used = set()

        def walk(value, schema_of_it, name):
            if "$ref" in schema_of_it:
                name = schema_of_it["$ref"].split("/")[-1]
                schema_of_it = schema["definitions"][name]
            for one in schema_of_it.get("anyOf", []):
                walk(value, one, name)
            if isinstance(value, list):
                for item in value:
                    walk(item, schema_of_it.get("items", {}), name)
            if isinstance(value, dict):
                for key, inside in value.items():
                    if key in schema_of_it.get("properties", {}):
                        used.add((name, key))
                        walk(inside, schema_of_it["properties"][key], name)
                    elif isinstance(schema_of_it.get("additionalProperties"), dict):
                        walk(inside, schema_of_it["additionalProperties"], name)
        for _, source, _ in self.examples():
            walk(tomllib.loads(source), schema, "workflow file")
        there = {("workflow file", key) for key in schema["properties"]}
        for name, one in schema["definitions"].items():
            there |= {(name, key) for key in one.get("properties", {})}
        self.assertGreater(len(there), 100)
        self.assertEqual(sorted(there - used), [])

    def test_findings_as_sarif(self):
        (self.folder / "a b.toml").write_text('workflow = "x"\n[[step]]\nid = "ä"\ntask = "t"\n')
        done = subprocess.run([baton.EXE, "check", "--sarif", "a b.toml", "letter.toml"], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.assertEqual(done.returncode, 1)
        report = json.loads(done.stdout)
        [run] = report["runs"]
        [finding] = [one for one in run["results"] if one["level"] == "error"]
        self.assertEqual((report["version"], finding["level"], finding["ruleId"]), ("2.1.0", "error", "mistake"))
        self.assertIn("cannot be an id", finding["message"]["text"])
        place = finding["locations"][0]["physicalLocation"]
        self.assertEqual(place["artifactLocation"]["uri"], "a%20b.toml")
        self.assertEqual((place["region"]["startLine"], place["region"]["startColumn"]), (3, 6))
        self.assertIn(finding["ruleId"], [rule["id"] for rule in run["tool"]["driver"]["rules"]])
        both = subprocess.run([baton.EXE, "check", "--sarif", "--json", "letter.toml"], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.assertEqual(both.returncode, 2)

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
                self.assertGreaterEqual(len(steps), 1)
        (self.folder / "bad.toml").write_text("workflow = 1\n")
        done = subprocess.run([baton.EXE, "graph", "bad.toml"], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("bad.toml:1:", done.stderr)


if __name__ == "__main__":
    unittest.main()
