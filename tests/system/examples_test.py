"""The examples that ship complete in `baton dev`, as a newcomer starts them, and the sandbox shows what
happens when its systems fail."""
import json
import time

import baton

ADA = ("--set", "email=ada@example.org", "--set", "first_name=Ada", "--set", "last_name=Lovelace")


class ExamplesTest(baton.ServerTest):
    verb, args = "dev", (str(baton.ROOT / "workflows"),)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.baton("await", "--timeout", "30s", check=0)

    def complete(self, workflow, *sets):
        """Runs it to its end; the output, and how often the sandbox was asked for what."""
        done = self.server.baton("run", workflow, *sets, "--json", timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.server.log()[-3000:])
        run = json.loads(done.stdout)
        self.assertEqual(run["status"], "completed")
        shown = self.server.json("show", run["id"])
        self.assertNotIn("dead", [step["status"] for step in shown["steps"]], shown)
        return run["output"], shown

    def sandbox(self, collection):
        return json.dumps(self.server.sandbox_state().get(collection, []))

    def test_provision_user_completes(self):
        output, _ = self.complete("provision-user", "--set", "email=grace@example.org", "--set", "first_name=Grace",
                                  "--set", "last_name=Hopper")
        self.assertTrue(output["slack"], output)
        self.assertIn("grace@example.org", self.sandbox("mailboxes"))

    def test_access_request_completes_both_ways(self):
        output, _ = self.complete("access-request", "--set", "who=eve@example.org", "--set", "system=redmine", "--set", "reason=work here")
        self.assertEqual(output["granted"], True)
        output, _ = self.complete("access-request", "--set", "who=eve@example.org", "--set", "system=vpn", "--set", "reason=work here")
        self.assertEqual(output["granted"], False)
        self.assertTrue(output["ticket"], output)
        self.assertIn("eve@example.org asks for vpn", self.sandbox("issues") + json.dumps(self.server.sandbox_state()))

    def test_incident_completes_for_each_severity(self):
        for severity in ("critical", "major", "minor"):
            with self.subTest(severity):
                output, _ = self.complete("incident", "--set", "service=mail", "--set", f"severity={severity}", "--set", "summary=all is down")
                self.assertTrue(output["ticket"], output)
                self.assertEqual(output["channel"] is None, severity == "minor", output)

    def test_nightly_sync_completes_for_a_file(self):
        people = self.server.home / "hr.csv"
        people.write_text("person_id,email,first_name,last_name,state,updated_at\n"
                          "1,kay@example.org,Alan,Kay,active,2026-11-01\n2,gone@example.org,Some,Body,left,2026-11-01\n")
        self.assertEqual(self.server.json("run", "nightly-sync", "--each", str(people))["statuses"], {"completed": 2})
        self.assertIn("kay@example.org", self.sandbox("redmine_users"))

    def test_offboard_user_completes(self):
        self.complete("provision-user", "--set", "email=leaver@example.org", "--set", "first_name=Some", "--set", "last_name=Leaver")
        output, shown = self.complete("offboard-user", "--set", "email=leaver@example.org", "--set", "manager=boss@example.org",
                                      "--set", "last_day=2026-01-31T18:00:00Z")
        self.assertEqual(output["failed"], [], shown)

    def test_onboard_team_completes(self):
        members = [{"email": f"{name}@example.org", "first_name": name.title(), "last_name": "Li", "role": role}
                   for name, role in (("lin", "Manager"), ("mei", "Developer"), ("wen", "Developer"))]
        output, shown = self.complete("onboard-team", "--set", "team=Quality Control", "--set", "members:=" + json.dumps(members))
        self.assertEqual(output["channel"], "team-quality-control")
        self.assertEqual((output["members"], output["failed"]), (3, []), output)
        self.assertTrue(output["project"], output)
        self.assertEqual(sum(step["step"].endswith(".join_project") for step in shown["steps"]), 3, shown)
        for name in ("lin", "mei", "wen"):
            self.assertIn(f"{name}@example.org", self.sandbox("mailboxes"))
        self.assertIn("3 of 3 of Quality Control are in", self.sandbox("slack_messages"))

    def test_a_slack_that_refuses_is_undone_within_seconds(self):
        """What scripts/demo tells people to try."""
        told = [line.split() for line in (baton.ROOT / "scripts" / "demo").read_text().splitlines() if "for good" in line]
        fault = next(word for word in told[0] if word.startswith("slack.invite="))
        self.server.baton("sandbox", "--fault", fault, check=0)
        self.addCleanup(self.server.baton, "sandbox", "--heal", "slack.invite", check=0)
        begun = time.monotonic()
        done = self.server.baton("run", "provision-user", *ADA, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("compensated", done.stdout)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertNotIn("ada@example.org", self.sandbox("mailboxes"))

    def test_a_retry_that_waits_is_hurried(self):
        """provision-user waits 2, 4, 8 ... seconds for Slack, here an hour; --now does not."""
        text = (baton.ROOT / "workflows" / "provision-user.toml").read_text()
        path = self.server.home / "patient.toml"
        path.write_text(text.replace('workflow    = "provision-user"', 'workflow    = "patient-user"')
                        .replace("max_attempts = 8,", 'max_attempts = 8, initial_interval = "1h", max_interval = "1h",'))
        self.server.baton("deploy", str(path), check=0)
        self.server.baton("sandbox", "--fault", "slack.invite=fatal_error", check=0)
        run = self.server.baton("run", "patient-user", "--set", "email=kay@example.org", "--set", "first_name=Kay", "--set",
                                "last_name=McNulty", "--detach", check=0).stdout.strip()

        def invite():
            # Not shown before it begins.
            return next((step for step in self.server.json("show", run)["steps"] if step["step"] == "invite"), {"status": None})
        baton.wait_for(lambda: invite()["status"] == "backing_off", "the invitation waits for its second attempt")
        self.server.baton("sandbox", "--heal", "slack.invite", check=0)
        self.server.baton("retry", run, "--now", check=0)
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes")
        self.assertEqual(len(invite()["attempts"]), 2)
        refused = self.server.baton("retry", run, "--now", check=1)
        self.assertIn("the run is completed", refused.stderr)

    def test_a_fault_that_does_not_exist_is_refused_with_the_right_ones(self):
        for verb, value in (("--fault", "slack.invit=fatal_error"), ("--heal", "slack.invit")):
            refused = self.server.baton("sandbox", verb, value, check=2)
            self.assertIn("did you mean 'slack.invite'?", refused.stderr)
            self.assertIn("slack.create_channel", refused.stderr)


if __name__ == "__main__":
    import unittest
    unittest.main()
