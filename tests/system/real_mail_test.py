"""Worker mail against real postfix, dovecot and PostgreSQL with PostfixAdmin's tables: what people see."""
import base64
import collections
import contextlib
import imaplib
import json
import random
import sqlite3
import subprocess
import time
import unittest

import pika

import baton
import house
import mail_server

ROBOT = ("baton@example.org", "word-of-the-robot")
EVE = ("eve@example.org", "word-of-eve")


@unittest.skipIf(mail_server.missing(), mail_server.missing())
class RealMailTest(unittest.TestCase):
    def setUp(self):
        self.mail = mail_server.MailServer()
        self.addCleanup(self.mail.close)
        self.mail.add_person(*ROBOT)
        self.mail.add_person(*EVE)
        self.house = house.House(workers=("mail",))
        self.addCleanup(self.house.close)
        ledger = self.house.server.home / "ledger"
        ledger.mkdir()
        self.house.worker_env.update({
            "BATON_MAILCOW_URL": "", "BATON_MAILCOW_KEY": "", "BATON_MAIL_DB_URL": self.mail.url, "BATON_MAIL_LEDGER": str(ledger),
            "BATON_SMTP_URL": f"smtp://localhost:{self.mail.smtp}", "BATON_SMTP_USER": ROBOT[0], "BATON_SMTP_PASSWORD": ROBOT[1],
            "BATON_SMTP_CA_FILE": self.mail.ca, "BATON_SMTP_FROM": f"The Robot <{ROBOT[0]}>"})
        self.house.start()
        self.server = self.house.server

    def check(self, **env):
        done = subprocess.run([baton.EXE, "worker", "mail", "--check", "--json"], env=dict(self.house.worker_env, **env),
                              capture_output=True, text=True, timeout=120)
        return [f"{one['what']}: {one['detail']}" for one in json.loads(done.stdout) if not one["ok"]]

    def test_check_tries_the_database_and_the_mail_server_and_sends_nothing(self):
        self.assertEqual(self.check(), [])
        self.assertIn("535", str(self.check(BATON_SMTP_PASSWORD="wrong")))
        self.assertEqual(len(self.check(BATON_SMTP_CA_FILE="")), 1)
        self.mail.sql("revoke update on alias from baton_mail")
        self.assertIn("may not update", str(self.check()))
        self.assertEqual(self.mail.log_in(*ROBOT).select("INBOX")[1], [b"0"])

    def call(self, task, **parameters):
        done = self.server.baton("call", task, "--with", json.dumps(parameters), "--json", "--timeout", "60s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.house.logs() + self.mail.logs())
        return json.loads(done.stdout)["result"]

    def refused(self, task, **parameters):
        done = self.server.baton("call", task, "--with", json.dumps(parameters), "--json", "--timeout", "60s")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def assert_shut_out(self, address, password):
        with self.assertRaises(imaplib.IMAP4.error):
            self.mail.log_in(address, password)

    def create_ada(self):
        """With the password that the letter to Eve held."""
        self.call("mail.create", address="ada@example.org", name="Ada Lovelace", send_password_to=EVE[0])
        letter = self.mail.await_letters(*EVE)[-1]
        return next(line.strip() for line in letter.get_content().splitlines() if line.startswith("    "))

    def test_a_person_logs_in_with_the_password_of_the_letter_and_it_is_nowhere_else(self):
        self.server.deploy('workflow = "hire"\n[[step]]\nid = "box"\ntask = "mail.create"\n'
                           'with = { address = "ada@example.org", name = "Ada", send_password_to = "eve@example.org" }\n'
                           '[output]\nbox = "${box}"\n')
        run = self.server.json("run", "hire")
        [letter] = self.mail.await_letters(*EVE)
        password = next(line.strip() for line in letter.get_content().splitlines() if line.startswith("    "))
        self.mail.log_in("ada@example.org", password).logout()
        shown = json.dumps(self.server.json("show", run["id"]))
        self.assertIn('"password_sent": true', shown)
        self.assertNotIn(password, shown + self.house.logs() + self.server.log())
        self.assertEqual(letter["From"].addresses[0].display_name, "The Robot")

    def test_lock_unlock_and_a_new_owner_of_the_address(self):
        password = self.create_ada()
        self.call("mail.send", to="ada@example.org", subject="for the first Ada", text="secret")
        self.mail.await_letters("ada@example.org", password)
        self.call("mail.lock", address="Ada@Example.org")
        self.assert_shut_out("ada@example.org", password)
        self.assertIn("550 5.1.1", self.refused("mail.send", to="ada@example.org", subject="s", text="t"))
        self.call("mail.unlock", address="ada@example.org")
        self.mail.log_in("ada@example.org", password).logout()
        self.call("mail.delete", address="ada@example.org")
        self.assert_shut_out("ada@example.org", password)
        self.call("mail.create", address="ada@example.org", password="of-another-ada")
        self.assertEqual(self.mail.letters("ada@example.org", "of-another-ada"), [])
        self.call("mail.set_password", address="ada@example.org", password="yet-another")
        self.assert_shut_out("ada@example.org", "of-another-ada")
        self.mail.log_in("ada@example.org", "yet-another").logout()

    def test_an_undo_leaves_the_veteran_and_takes_the_new_one_back(self):
        compensate = ('compensate = { task = "mail.delete", when = "%s", with = { id = "${box.id}", only_if_created_by = "${run.id}/box" } }\n'
                      '[[step]]\nid = "boom"\ntask = "mail.send"\nwith = { to = "nobody@example.org", subject = "${box.id}", text = "t" }\n')
        head = ('workflow = "hire"\non_failure = "compensate"\n[input]\naddress = { type = "string", required = true }\n[[step]]\nid = "box"\n'
                'task = "mail.create"\nwith = { address = "${input.address}", password = "of-the-new-one", adopt = true }\n')
        # Also an undo that forgot `when` touches nothing that the run did not make.
        for when in ("box.created", "true"):
            self.server.deploy(head + compensate % when)
            for address in (EVE[0], "ada@example.org"):
                self.server.baton("run", "hire", "--set", f"address={address}", check=1)
            self.assertEqual({run["status"] for run in self.server.json("runs")}, {"compensated"})
            self.mail.log_in(*EVE).logout()
            self.assert_shut_out("ada@example.org", "of-the-new-one")
            self.assertEqual(self.mail.sql("select count(*) from mailbox where username like 'ada%'"), "0")

    def test_aliases_forwards_and_an_archive_carry_mail(self):
        self.call("mail.create", address="ada@example.org", password="of-ada")
        self.call("mail.add_alias", alias="sales@example.org", to="ada@example.org")
        self.call("mail.add_alias", alias="sales@example.org", to=EVE[0])
        self.call("mail.send", to="sales@example.org", subject="to both", text="t")
        self.mail.await_letters("ada@example.org", "of-ada")
        self.mail.await_letters(*EVE)
        self.call("mail.remove_alias", alias="sales@example.org", to=EVE[0])
        self.call("mail.add_forward", address="ada@example.org", to=EVE[0])
        self.call("mail.send", to="sales@example.org", subject="copied", text="t")
        self.assertEqual(sorted(letter["Subject"] for letter in self.mail.await_letters(*EVE, count=2)), ["copied", "to both"])
        self.mail.await_letters("ada@example.org", "of-ada", 2)
        self.call("mail.archive", address="ada@example.org", forward_to=EVE[0])
        self.assert_shut_out("ada@example.org", "of-ada")
        self.call("mail.send", to="ada@example.org", subject="for the heir", text="t")
        self.assertEqual(self.mail.await_letters(*EVE, count=3)[-1]["Subject"], "for the heir")
        self.call("mail.unlock", address="ada@example.org")
        self.assertEqual(len(self.mail.letters("ada@example.org", "of-ada")), 2)

    def test_a_letter_reads_as_it_was_meant(self):
        self.call("mail.send", to=f"Eve Böll <{EVE[0]}>", reply_to="\"Desk, Help\" <help@example.org>", subject="Grüße " * 20, text="Hällo\n.\nend\n",
                  html="<b>Hällo</b>", attachments=[{"name": "Übersicht.txt", "type": "text/plain", "content": "aGk="}],
                  invitation={"start": "2026-02-02T10:00:00+01:00", "end": "2026-02-02T11:00:00+01:00", "location": "Room 1"})
        [letter] = self.mail.await_letters(*EVE)
        self.assertEqual(letter["To"].addresses[0].display_name, "Eve Böll")
        self.assertEqual(letter["Reply-To"].addresses[0].display_name, "Desk, Help")
        self.assertEqual(letter["Subject"].split(), ["Grüße"] * 20)
        self.assertEqual(letter.get_body(("plain",)).get_content().replace("\r", ""), "Hällo\n.\nend\n")
        self.assertEqual(letter.get_body(("html",)).get_content().strip(), "<b>Hällo</b>")
        [attachment] = letter.iter_attachments()
        self.assertEqual((attachment.get_filename(), attachment.get_content().strip()), ("Übersicht.txt", "hi"))
        [calendar] = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
        self.assertEqual(calendar.get_param("method"), "REQUEST")
        self.assertIn("DTSTART:20260202T090000Z", calendar.get_content())

    def test_what_an_earlier_step_made_is_attached_whole_and_kept_once(self):
        self.server.deploy('workflow = "monthly"\n[[step]]\nid = "report"\ntask = "reports.make"\n[[step]]\nid = "letter"\ntask = "mail.send"\n'
                           'with = { to = "eve@example.org", subject = "the report", text = "t", attachments = [ '
                           '{ name = "${report.name}", type = "application/pdf", content_base64 = "${report.content}" } ] }\n')
        run = self.server.baton("run", "monthly", "--detach", check=0).stdout.strip()
        content = random.randbytes(1_500_000)
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.server.env["BATON_AMQP"]))) as connection:
            channel = connection.channel()
            properties = baton.wait_for(lambda: channel.basic_get("baton.task.reports.make", auto_ack=True)[1], "the task comes")
            result = {"name": "march.pdf", "content": base64.b64encode(content).decode()}
            channel.basic_publish("", properties.reply_to, json.dumps(result), pika.BasicProperties(
                type="completed", correlation_id=properties.correlation_id, delivery_mode=2))
            [letter] = self.mail.await_letters(*EVE)
        [attachment] = letter.iter_attachments()
        self.assertEqual((attachment.get_filename(), attachment.get_content() == content), ("march.pdf", True))
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes", pause=1)
        with contextlib.closing(sqlite3.connect(self.server.home / "data" / "baton.sqlite")) as database:
            kept, sizes = database.execute("select count(*), sum(length(text)) from blob").fetchone()
            self.assertEqual((kept, sizes >= 2_000_000), (1, True))
            self.assertLess(database.execute("select sum(length(events)) from history").fetchone()[0], 20_000)

    def test_some_recipients_are_refused_and_named(self):
        result = self.call("mail.send", to=[EVE[0], "nobody@example.org"], subject="s", text="t")
        self.assertEqual([one["address"] for one in result["refused"]], ["nobody@example.org"])
        self.assertIn("550 5.1.1", result["refused"][0]["reason"])
        self.mail.await_letters(*EVE)

    def test_every_letter_arrives_once_or_is_doubtful_though_the_worker_is_killed(self):
        self.server.deploy('workflow = "news"\n[input]\nn = { type = "integer", required = true }\n[[step]]\nid = "letter"\ntask = "mail.send"\n'
                           'with = { to = "eve@example.org", subject = "number ${input.n}", text = "t" }\n'
                           '[output]\nletter = "${letter}"\n')
        runs = [self.server.baton("run", "news", "--set", f"n:={n}", "--detach", check=0).stdout.strip() for n in range(40)]
        for pause in (0.05, 0.15, 0.1, 0.3, 0.2):
            self.house.kill_worker("mail")
            self.house.start_worker("mail")
            self.house.await_workers()
            time.sleep(pause)
        done = [baton.wait_for(lambda run=run: (lambda shown: shown if shown["status"] == "completed" else None)(self.server.json("show", run)),
                               "the run completes", 90, pause=0.2) for run in runs]
        arrived = collections.Counter(letter["Message-ID"] for letter in self.mail.await_letters(*EVE, count=40))
        self.assertEqual(len(arrived), 40)
        for shown in done:
            letter = shown["output"]["letter"]
            if not letter["doubtful"]:
                self.assertEqual(arrived[letter["message_id"]], 1, letter)

    def test_dovecot_that_is_away_delays_a_letter(self):
        self.server.deploy('workflow = "news"\n[[step]]\nid = "letter"\ntask = "mail.send"\n'
                           'retry = { max_attempts = 100, initial_interval = "2s", max_interval = "2s" }\n'
                           'with = { to = "eve@example.org", subject = "s", text = "t" }\n')
        self.mail.stop_dovecot()
        run = self.server.baton("run", "news", "--detach", check=0).stdout.strip()
        baton.wait_for(lambda: any(step["attempts"] for step in self.server.json("show", run)["steps"]), "an attempt", 30, pause=0.2)
        time.sleep(3)
        self.mail.start_dovecot()
        baton.wait_for(lambda: self.server.json("show", run)["status"] == "completed", "the run completes", 120, pause=0.5)
        self.assertEqual(len(self.mail.await_letters(*EVE)), 1)


if __name__ == "__main__":
    unittest.main()
