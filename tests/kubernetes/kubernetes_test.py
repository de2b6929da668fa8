"""deploy/kubernetes against the schemas of the Kubernetes API (check.mjs), and against the rest of the house."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MANIFESTS = ROOT / "deploy" / "kubernetes"


def check(folder):
    done = subprocess.run(["node", "check.mjs", folder], cwd=HERE, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Kubernetes(unittest.TestCase):
    def test_the_manifests_are_what_the_api_takes(self):
        code, said = check(MANIFESTS)
        self.assertEqual(code, 0, said)

    def test_a_mistake_is_found(self):
        """One of each kind: a value, a member, a reference, a right."""
        mistakes = (
            ("server.yaml", "containerPort: 5672", 'containerPort: "amqp"', "containerPort"),
            ("workers.yaml", "livenessProbe:", "livelyProbe:", "livelyProbe"),
            ("workers.yaml", "secret: { name: baton-redmine }", "secret: { name: baton-redmin }", "there is no Secret baton-redmin"),
            ("workers.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "may write into its image"),
            ("network.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress, Egress]\n  podSelectors: {}", "podSelectors"),
        )
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "manifests"
            shutil.copytree(MANIFESTS, copy)
            for file, old, new, _ in mistakes:
                text = (copy / file).read_text()
                self.assertIn(old, text)
                (copy / file).write_text(text.replace(old, new, 1))
            code, said = check(copy)
        self.assertEqual(code, 1, said)
        for *_, expected in mistakes:
            self.assertIn(expected, said)

    def test_users_and_version_are_those_of_the_house(self):
        config = (MANIFESTS / "config.yaml").read_text().split("baton.toml: |\n")[1]
        users = re.sub(r"^    ", "", config, flags=re.MULTILINE)
        self.assertEqual(users.strip(), (ROOT / "deploy" / "baton.toml").read_text().strip())
        version = re.search(r"project\(baton VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
        for file in ("server.yaml", "workers.yaml"):
            images = set(re.findall(r"image: (\S+)", (MANIFESTS / file).read_text()))
            self.assertEqual(images, {f"baton:{version}"})


if __name__ == "__main__":
    unittest.main()
