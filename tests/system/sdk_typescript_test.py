"""The TypeScript SDK as people have it: compiled, packed by `npm pack`, installed from the tarball, used there."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import baton
import sdk_stories

SOURCE = baton.ROOT / "sdk" / "typescript"
WORKER = pathlib.Path(__file__).resolve().parent / "sdk" / "worker.mjs"
NPM = ["npm", "--no-audit", "--no-fund", "--offline", "--no-update-notifier"]

TYPES = """
import { Worker, type Task, permanent, Deferred } from "baton-worker";
const worker = new Worker({ name: "w" });
worker.task<{ address: string }>("mail.create", { parameters: { address: "string" } }, (task: Task<{ address: string }>) => {
  const address: string = task.parameters.address;
  if (!address) throw permanent("invalid_input");
  return new Deferred(new Date());
});
// @ts-expect-error: there is no such type of a parameter
worker.task("mail.create", { parameters: { address: "text" } }, () => null);
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Package:
    """The tarball, and a project that has it installed."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-npm-"))
        self.source, self.project = self.folder / "source", self.folder / "project"
        shutil.copytree(SOURCE, self.source, ignore=shutil.ignore_patterns("node_modules", "dist"))
        (self.source / "node_modules").symlink_to(SOURCE / "node_modules")
        run(*NPM, "pack", "--pack-destination", self.folder, cwd=self.source)
        [self.tarball] = self.folder.glob("*.tgz")
        self.project.mkdir()
        (self.project / "package.json").write_text('{"name": "project", "private": true, "type": "module"}\n')
        # What the package depends on is there already, so that no registry is asked.
        for name in ("amqplib", "buffer-more-ints", "url-parse", "querystringify", "requires-port"):
            if (SOURCE / "node_modules" / name).exists():
                shutil.copytree(SOURCE / "node_modules" / name, self.project / "node_modules" / name)
        run(*NPM, "install", self.tarball, cwd=self.project)
        shutil.copy(WORKER, self.project)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class TypescriptSdkTest(sdk_stories.Stories, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("npm"):
            raise unittest.SkipTest("npm is not installed")
        if not (SOURCE / "node_modules").exists():
            raise unittest.SkipTest("sdk/typescript/node_modules is missing: scripts/setup test")
        cls.package = Package()
        cls.command = ("node", str(cls.package.project / "worker.mjs"))

    @classmethod
    def tearDownClass(cls):
        cls.package.close()

    def complete(self, handle, result):
        import json
        run("node", "--input-type=module", "-e",
            'import { complete } from "baton-worker"; await complete(process.argv[1], JSON.parse(process.argv[2]));',
            handle, json.dumps(result), cwd=self.package.project, env=dict(os.environ, BATON_AMQP=self.server.env["BATON_AMQP"]))

    def test_the_package(self):
        """What is in it, for ESM, CommonJS and the compiler; its unit tests."""
        import tarfile
        with tarfile.open(self.package.tarball) as tarball:
            files = set(tarball.getnames())
        self.assertLessEqual({f"package/{name}" for name in (
            "package.json", "LICENSE", "README.md", "dist/esm/index.js", "dist/esm/index.d.ts", "dist/cjs/index.js",
            "dist/cjs/index.d.ts", "dist/cjs/package.json")}, files)
        self.assertFalse([name for name in files if "/src/" in name or "node_modules" in name])
        project = self.package.project
        for kind, load in (("module", 'import { Worker } from "baton-worker"; console.log(typeof Worker)'),
                           ("commonjs", 'console.log(typeof require("baton-worker").Worker)')):
            self.assertEqual(run("node", f"--input-type={kind}", "-e", load, cwd=project).strip(), "function")
        (project / "types.ts").write_text(TYPES)
        run("node", SOURCE / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--module", "nodenext", "--target",
            "es2022", "--types", "node", "--typeRoots", SOURCE / "node_modules" / "@types", "types.ts", cwd=project)
        run("node", "--test", "test/", cwd=self.package.source)

    def test_stories(self):
        self.tell_all()

    def test_a_thousand_tasks(self):
        self.tell_thousand()


if __name__ == "__main__":
    sys.exit(unittest.main())
