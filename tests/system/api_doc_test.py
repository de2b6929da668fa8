"""docs/api.md does what it says: its examples run in their order against one server and print what stands behind
them. And the Python workers of README.md and docs/workers.md go on after the server was killed and started."""
import re
import signal
import subprocess
import unittest

import baton

BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(path):
    """Pairs of language and text, with the output that stands behind it (None: nothing is said)."""
    blocks = BLOCK.findall(path.read_text())
    found = []
    for at, (language, text) in enumerate(blocks):
        if language == "text":
            continue
        behind = blocks[at + 1] if at + 1 < len(blocks) else ("", "")
        found.append((language, text, behind[1] if behind[0] == "text" else None))
    return found


def says(expected, output):
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, re.sub(" +$", "", output, flags=re.MULTILINE)) is not None


class ApiDocTest(baton.ServerTest):
    def output_of(self, program, text):
        done = subprocess.run(program, input=text, env=self.server.env, cwd=self.server.home, capture_output=True, text=True,
                              timeout=100)
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def check(self, program, language, mark):
        """Runs the examples of a language as one program, and compares what each printed."""
        chosen = [(text, expected) for kind, text, expected in examples(baton.ROOT / "docs" / "api.md") if kind == language]
        self.assertGreater(sum(expected is not None for _, expected in chosen), 2)
        printed = self.output_of(program, "".join(mark + text for text, _ in chosen)).split("--next--\n")[1:]
        self.assertEqual(len(printed), len(chosen))
        for (text, expected), output in zip(chosen, printed):
            if expected is not None:
                self.assertTrue(says(expected, output), f"{text}\n--- said ---\n{expected}\n--- printed ---\n{output}")

    def test_every_example_prints_what_stands_behind_it(self):
        self.check(["bash", "-e"], "sh", "echo --next--\n")
        self.check(["/usr/bin/python3", "-"], "python", "print('--next--', flush=True)\n")

    def test_what_says_a_wrong_thing_is_noticed(self):
        self.assertTrue(says("a …\nb\n", "a 17\nb\n"))
        self.assertFalse(says("a …\nb\n", "a 17\nc\n"))
        self.assertFalse(says("a\n", "a\nb\n"))


class WorkersOfTheDocumentsTest(unittest.TestCase):
    """The workers as they stand in the documents, with a task of their own name."""

    WORKFLOW = 'workflow = "boxes"\n[[step]]\nid = "box"\ntask = "mail.create"\nwith = { address = "ada@example.org" }\n'

    def survives(self, path):
        text = next(text for language, text, _ in examples(path) if language == "python" and "basic_consume" in text)
        server = baton.Server().start()
        self.addCleanup(server.close)
        file = server.home / "boxes.toml"
        file.write_text(self.WORKFLOW)
        server.baton("deploy", str(file), check=0)
        (server.home / "worker.py").write_text(text)
        with open(server.home / "worker.log", "wb") as log:
            worker = subprocess.Popen(["/usr/bin/python3", "worker.py"], env=server.env, cwd=server.home, stdout=log, stderr=log)

        def end():
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        self.addCleanup(end)
        server.baton("run", "boxes", check=0, timeout=60)
        for _ in range(2):
            server.kill()
            server.start()
            done = server.baton("run", "boxes", timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr + (server.home / "worker.log").read_text())
            self.assertIsNone(worker.poll(), (server.home / "worker.log").read_text())

    def test_readme(self):
        self.survives(baton.ROOT / "README.md")

    def test_workers_md(self):
        self.survives(baton.ROOT / "docs" / "workers.md")


if __name__ == "__main__":
    unittest.main()
