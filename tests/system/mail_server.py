"""A real mail server of a test's own: postfix takes submissions, dovecot logs people in and keeps their mail,
both read PostfixAdmin's tables in a PostgreSQL. Loopback only, ports the kernel gave out, a temporary folder;
nothing can be sent off this machine. Needs root, since postfix does.
"""
import email
import email.policy
import imaplib
import os
import pathlib
import pwd
import shutil
import ssl
import subprocess
import tempfile

import baton
import certificates
import postgres

NEEDS = {"/usr/sbin/postfix": "postfix", "/usr/lib/postfix/postfix-pgsql.so": "postfix-pgsql", "/usr/sbin/dovecot": "dovecot-imapd",
         "/usr/lib/dovecot/lmtp": "dovecot-lmtpd", "/usr/lib/dovecot/modules/auth/libdriver_pgsql.so": "dovecot-pgsql"}
RIGHTS = (baton.ROOT / "workers" / "mail" / "README.md").read_text().split("```sql\n")[1].split("```")[0]


def missing():
    """What keeps it from running here, in words for a skipped test; empty: nothing."""
    if os.geteuid() != 0:
        return "postfix starts as root only"
    absent = [package for path, package in NEEDS.items() if not os.path.exists(path)]
    return f"apt-get install {' '.join(absent)}" if absent else ""


class MailServer:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-mail-test-"))
        self.database = postgres.Postgres()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.smtp, self.imap, self.imaps, self.lmtp, self.auth = baton.free_ports(5)
        authority = certificates.Authority(self.folder, "authority")
        self.ca = authority.certificate
        self.certificate, self.key = authority.sign("localhost")
        self.make_folders()
        self.sql((baton.ROOT / "tests" / "workers" / "postfixadmin.sql").read_text())
        self.sql("create role baton_mail login;" + RIGHTS)
        self.url = self.database.url.replace("baton@", "baton_mail@")
        self.write_dovecot()
        self.write_postfix()
        self.start_dovecot()
        self.start_postfix()

    def start_postfix(self):
        self.run("postfix", "-c", self.folder / "postfix", "start")
        baton.wait_for(lambda: baton.accepts(self.smtp), "postfix starts")

    def stop_postfix(self):
        self.run("postfix", "-c", self.folder / "postfix", "stop")
        baton.wait_for(lambda: not baton.accepts(self.smtp), "postfix stops")

    def await_delivery(self):
        """What waits in postfix's queue for dovecot is delivered."""
        def is_empty():
            self.run("postqueue", "-c", self.folder / "postfix", "-f")
            self.run("postqueue", "-c", self.folder / "postfix", "-p")
            return "queue is empty" in (self.folder / "output").read_text(errors="replace")
        baton.wait_for(is_empty, "postfix delivers", 120, pause=1)

    def make_folders(self):
        os.chmod(self.folder, 0o755)
        for name in ("postfix", "spool", "data", "mail", "run"):
            (self.folder / name).mkdir(mode=0o755)
        os.chown(self.folder / "mail", 5000, 5000)
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, -1)

    def sql(self, text):
        done = subprocess.run([self.database.programs / "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", self.database.url],
                              input=text, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def run(self, *command):
        # A file and no pipe: what these programs start would hold it open for ever.
        with open(self.folder / "output", "wb") as output:
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {(self.folder / 'output').read_text(errors='replace')}\n{self.logs()}")

    def write_dovecot(self):
        (self.folder / "dovecot-sql.conf").write_text(f"""driver = pgsql
connect = host=127.0.0.1 port={self.database.port} dbname=postgres user=baton
default_pass_scheme = PLAIN
password_query = SELECT username AS user, password FROM mailbox WHERE username='%Lu' AND active
user_query = SELECT '{self.folder}/mail/'||maildir AS home, 5000 AS uid, 5000 AS gid, \
'*:bytes='||quota AS quota_rule FROM mailbox WHERE username='%Lu' AND active
""")
        (self.folder / "dovecot.conf").write_text(f"""base_dir = {self.folder}/run
log_path = {self.folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.certificate}
ssl_key = <{self.key}
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_uid = 5000
mail_gid = 5000
first_valid_uid = 5000
passdb {{
  driver = sql
  args = {self.folder}/dovecot-sql.conf
}}
userdb {{
  driver = sql
  args = {self.folder}/dovecot-sql.conf
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = {self.imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {self.auth}
  }}
}}
""")

    def write_postfix(self):
        folder = self.folder / "postfix"
        maps = {"domains": "SELECT domain FROM domain WHERE domain='%s' AND active",
                "mailboxes": "SELECT maildir FROM mailbox WHERE username='%s' AND active",
                "aliases": "SELECT goto FROM alias WHERE address='%s' AND active"}
        for name, query in maps.items():
            (folder / f"{name}.cf").write_text(f"hosts = 127.0.0.1:{self.database.port}\nuser = baton\npassword = x\n"
                                               f"dbname = postgres\nquery = {query}\n")
        (folder / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
maillog_file = {self.folder}/postfix.log
maillog_file_prefixes = {self.folder}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks =
local_recipient_maps =
local_transport = error:no local delivery
alias_maps =
default_transport = error:5.1.2 no route off this machine
relay_transport = error:no relay
smtpd_tls_cert_file = {self.certificate}
smtpd_tls_key_file = {self.key}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{self.auth}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject_unauth_destination
virtual_mailbox_domains = pgsql:{folder}/domains.cf
virtual_mailbox_maps = pgsql:{folder}/mailboxes.cf
virtual_alias_maps = pgsql:{folder}/aliases.cf
service_throttle_time = 1s
virtual_transport = lmtp:inet:127.0.0.1:{self.lmtp}
""")
        services = "pickup cleanup qmgr tlsmgr rewrite bounce defer trace verify error retry lmtp anvil scache proxymap showq".split()
        programs = {"rewrite": "trivial-rewrite", "defer": "bounce", "trace": "bounce", "retry": "error"}
        public = {"showq", "pickup", "cleanup", "qmgr"}
        limits = {"pickup": "60 1", "cleanup": "- 0", "qmgr": "300 1", "tlsmgr": "1000? 1", "bounce": "- 0", "defer": "- 0", "trace": "- 0",
                  "verify": "- 1", "anvil": "- 1", "scache": "- 1"}
        lines = [f"127.0.0.1:{self.smtp} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
        lines += [f"{name} unix {'n' if name in public else '-'} - n {limits.get(name, '- -')} {programs.get(name, name)}"
                  for name in services]
        (folder / "master.cf").write_text("\n".join(lines) + "\n")

    def start_dovecot(self):
        self.run("dovecot", "-c", self.folder / "dovecot.conf")
        baton.wait_for(lambda: baton.accepts(self.imaps), "dovecot starts")

    def stop_dovecot(self):
        self.run("doveadm", "-c", self.folder / "dovecot.conf", "stop")
        baton.wait_for(lambda: not baton.accepts(self.imaps), "dovecot stops")

    def add_person(self, address, password):
        """As an administrator did long ago."""
        local = address.split("@")[0]
        self.sql(f"insert into mailbox(username, password, maildir, domain, local_part) values ('{address}', '{{PLAIN}}{password}', "
                 f"'example.org/{local}/', 'example.org', '{local}'); "
                 f"insert into alias(address, goto, domain) values ('{address}', '{address}', 'example.org')")

    def log_in(self, address, password):
        """An IMAP session; imaplib.IMAP4.error if dovecot refuses."""
        session = imaplib.IMAP4_SSL("localhost", self.imaps, ssl_context=ssl.create_default_context(cafile=self.ca), timeout=20)
        try:
            session.login(address, password)
        except imaplib.IMAP4.error:
            session.shutdown()
            raise
        return session

    def letters(self, address, password):
        session = self.log_in(address, password)
        session.select("INBOX")
        numbers = session.search(None, "ALL")[1][0].split()
        all_of_them = [email.message_from_bytes(session.fetch(number, "(RFC822)")[1][0][1], policy=email.policy.default) for number in numbers]
        session.logout()
        return all_of_them

    def await_letters(self, address, password, count=1):
        return baton.wait_for(lambda: (lambda got: got if len(got) >= count else None)(self.letters(address, password)),
                              f"{count} letters for {address}", 30, pause=0.2)

    def logs(self):
        return "\n".join((self.folder / name).read_text(errors="replace")[-3000:] for name in ("postfix.log", "dovecot.log")
                         if (self.folder / name).exists())

    def close(self):
        subprocess.run(["postfix", "-c", str(self.folder / "postfix"), "stop"], capture_output=True, timeout=60)
        subprocess.run(["doveadm", "-c", str(self.folder / "dovecot.conf"), "stop"], capture_output=True, timeout=60)
        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
