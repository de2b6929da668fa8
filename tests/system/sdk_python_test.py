"""The Python SDK as people have it: built as wheel and sdist, installed into an environment of its own, used there."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import baton
import sdk_stories

SOURCE = baton.ROOT / "sdk" / "python"
WORKER = pathlib.Path(__file__).resolve().parent / "sdk" / "worker.py"
PYTHON = "/usr/bin/python3"

TYPES = """
from baton_worker import Deferred, Task, Worker, permanent

worker = Worker(name="w")

@worker.task("mail.create", parameters={"address": str, "quota_mb?": int})
def create(task: Task) -> Deferred:
    if task.remaining() == 0.0:
        raise permanent("late", task.idempotency_key, status=409)
    return Deferred()

worker.run("now")  # type: ignore[call-arg]
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Package:
    """Wheel, sdist and an environment with the wheel; AMQP libraries are the system's."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-wheel-"))
        source = self.folder / "source"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info"))
        for kind in ("sdist", "wheel"):
            run(PYTHON, "-c", f"import sys; from setuptools import build_meta as b; b.build_{kind}(sys.argv[1])", self.folder, cwd=source)
        [self.sdist], [self.wheel] = self.folder.glob("*.tar.gz"), self.folder.glob("*.whl")
        run(PYTHON, "-m", "venv", "--system-site-packages", self.folder / "venv")
        self.python = str(self.folder / "venv" / "bin" / "python")
        run(self.python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", self.wheel)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class PythonSdkTest(sdk_stories.Stories, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import setuptools  # noqa: F401
            import venv  # noqa: F401
        except ImportError as missing:
            raise unittest.SkipTest(f"{missing.name} is not installed (python3-setuptools, python3-venv)")
        cls.package = Package()

    @classmethod
    def tearDownClass(cls):
        cls.package.close()

    def use(self, kind):
        self.command = (self.package.python, "-u", str(WORKER), kind)

    def complete(self, handle, result):
        run(self.package.python, "-c", f"import sys, baton_worker; baton_worker.complete(sys.argv[1], {result!r})", handle,
            env=dict(os.environ, BATON_AMQP=self.server.env["BATON_AMQP"]))

    def test_the_package(self):
        """What is in it; and the sdist builds the same wheel."""
        import tarfile
        import zipfile
        files = set(zipfile.ZipFile(self.package.wheel).namelist())
        self.assertLessEqual({"baton_worker/py.typed", "baton_worker/aio.py", "baton_worker/worker.py"}, files)
        with tarfile.open(self.package.sdist) as sdist:
            sdist.extractall(self.package.folder / "unpacked")
        [unpacked] = (self.package.folder / "unpacked").iterdir()
        for name in ("LICENSE", "README.md", "pyproject.toml", "tests/test_contract.py"):
            self.assertTrue((unpacked / name).exists(), f"the sdist lacks {name}")
        run(PYTHON, "-c", "from setuptools import build_meta as b; b.build_wheel('wheels')", cwd=unpacked)
        [again] = (unpacked / "wheels").glob("*.whl")
        self.assertEqual(set(zipfile.ZipFile(again).namelist()), files)
        run(self.package.python, "-m", "unittest", "discover", "-s", unpacked / "tests", cwd=self.folder)
        self.check_types()
        where = run(self.package.python, "-c", "import baton_worker; print(baton_worker.__file__)", cwd=self.folder)
        self.assertIn("venv", where)

    def check_types(self):
        """Of a program that uses the installed package, and of the package itself."""
        if not os.path.exists("/usr/bin/mypy"):
            print("left out: types, since mypy is not installed")
            return
        program = self.package.folder / "program.py"
        program.write_text(TYPES)
        typed = ["/usr/bin/mypy", "--strict", "--python-version", "3.9", "--ignore-missing-imports", "--cache-dir", self.package.folder / "mypy"]
        run(*typed, "--python-executable", self.package.python, program)
        run(*typed, self.package.folder / "source" / "src" / "baton_worker")

    def test_pika_stories(self):
        self.use("pika")
        self.tell_all()

    def test_asyncio_stories(self):
        self.use("aio")
        self.tell_all()

    def test_a_thousand_tasks_with_pika(self):
        self.use("pika")
        self.tell_thousand()

    def test_a_thousand_tasks_with_asyncio(self):
        self.use("aio")
        self.tell_thousand()


if __name__ == "__main__":
    sys.exit(unittest.main())
