"""AMQP over TLS: third-party clients and our own, certificates as logins, and what must be refused."""
import asyncio
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import aio_pika
import amqp
import pika

import baton
import certificates

NODE = pathlib.Path(__file__).resolve().parent / "node"
HEADER = b"AMQP\x00\x00\x09\x01"
# By an alert, or by a socket that is gone before the alert is read.
REFUSED = (pika.exceptions.AMQPConnectionError, OSError)


class TlsTest(unittest.TestCase):
    """One server that asks for certificates and takes clients without one, too."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-tls-"))
        cls.ours = certificates.Authority(cls.folder, "ours")
        cls.theirs = certificates.Authority(cls.folder, "theirs")
        cls.certificate, cls.key = cls.ours.sign("server")
        cls.ada = cls.ours.sign("ada", "/O=Engines/CN=ada", "DNS:ada.example.org,email:ada@example.org")
        cls.server = cls.start_server({"BATON_BROKER_USERS": "guest:guest,ada:unknown"})

    @classmethod
    def start_server(cls, env):
        server = baton.Server()
        [server.tls] = baton.free_ports(1)
        server.env.update({
            "BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{server.tls}",
            "BATON_BROKER_TLS_CERTIFICATE": cls.certificate,
            "BATON_BROKER_TLS_KEY": cls.key,
            "BATON_BROKER_TLS_CA": cls.ours.certificate,
            "BATON_BROKER_TLS_VERIFY": "peer",
            "BATON_BROKER_TLS_LOGIN_FROM": "common_name",
        })
        server.env.update({name: value for name, value in env.items() if value is not None})
        for name in [name for name, value in env.items() if value is None]:
            server.env.pop(name, None)
        return server.start()

    @classmethod
    def tearDownClass(cls):
        log = cls.server.log()
        cls.server.close()
        shutil.rmtree(cls.folder)
        for word in ("AddressSanitizer", "runtime error:", "broken invariant"):
            if word in log:
                raise AssertionError("the server's log holds a sanitizer report:\n" + log[-8000:])

    def context(self, certificate=None, trusted=None):
        context = ssl.create_default_context(cafile=trusted or self.ours.certificate)
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def parameters(self, context, credentials=None, port=None):
        return pika.ConnectionParameters(
            "127.0.0.1", port or self.server.tls, "/", credentials or pika.PlainCredentials("guest", "guest"),
            ssl_options=pika.SSLOptions(context, "127.0.0.1"), connection_attempts=1)

    def roundtrip(self, connection):
        channel = connection.channel()
        channel.confirm_delivery()
        queue = channel.queue_declare("", exclusive=True).method.queue
        bodies = [os.urandom(size) for size in (0, 1, 4000, 16384, 131072, 2_000_000)]
        for body in bodies:
            channel.basic_publish("", queue, body)
        self.assertEqual([channel.basic_get(queue, auto_ack=True)[2] for _ in bodies], bodies)
        connection.close()

    def still_works(self):
        self.roundtrip(pika.BlockingConnection(self.parameters(self.context())))

    # ---- clients --------------------------------------------------------------------------------

    def test_pika_with_and_without_a_certificate(self):
        self.roundtrip(pika.BlockingConnection(self.parameters(self.context())))
        self.roundtrip(pika.BlockingConnection(self.parameters(self.context(self.ada))))

    def test_many_small_messages_through_tls_in_both_directions(self):
        connection = pika.BlockingConnection(self.parameters(self.context()))
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for number in range(5000):
            channel.basic_publish("", queue, b"%06d" % number)
        got = []
        for _, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=10):
            got.append(body)
            if body is None or len(got) == 5000:
                break
        self.assertEqual(got, [b"%06d" % number for number in range(5000)])
        connection.close()

    def test_aio_pika(self):
        async def story():
            url = f"amqps://guest:guest@127.0.0.1:{self.server.tls}/?cafile={self.ours.certificate}"
            connection = await aio_pika.connect(url)
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue(exclusive=True)
            await channel.default_exchange.publish(aio_pika.Message(b"hello"), queue.name)
            message = await queue.get(timeout=10)
            await message.ack()
            await connection.close()
            return message.body
        self.assertEqual(asyncio.run(story()), b"hello")

    def test_py_amqp_as_celery_uses_it(self):
        with amqp.Connection(f"127.0.0.1:{self.server.tls}", "guest", "guest", confirm_publish=True, ssl={
                "ca_certs": self.ours.certificate, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "localhost"}) as connection:
            channel = connection.channel()
            queue = channel.queue_declare(exclusive=True).queue
            channel.basic_publish(amqp.Message("hello"), routing_key=queue)
            self.assertEqual(channel.basic_get(queue, no_ack=True).body, "hello")

    @unittest.skipUnless(shutil.which("node") and (NODE / "node_modules" / "amqplib").exists(), "amqplib is not there")
    def test_amqplib(self):
        script = """
            const amqp = require('amqplib'), fs = require('fs');
            (async () => {
              const connection = await amqp.connect(process.argv[1], {ca: [fs.readFileSync(process.argv[2])]});
              const channel = await connection.createConfirmChannel();
              const {queue} = await channel.assertQueue('', {exclusive: true});
              channel.sendToQueue(queue, Buffer.from('hello'));
              await channel.waitForConfirms();
              const message = await channel.get(queue, {noAck: true});
              console.log(message.content.toString());
              await connection.close();
            })();"""
        done = subprocess.run(["node", "-e", script, f"amqps://guest:guest@localhost:{self.server.tls}/", self.ours.certificate],
                              cwd=NODE, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.strip(), "hello", done.stderr)

    def test_our_own_workers_and_orchestrator(self):
        url = f"amqps://guest:guest@127.0.0.1:{self.server.tls}/?cacertfile={self.ours.certificate}"
        # A second server without a broker of its own: it is healthy when it is connected.
        other = baton.Server(env={"BATON_BROKER_URL": url})
        self.addCleanup(other.close)
        log = open(other.log_path, "ab")
        other.process = subprocess.Popen([baton.EXE, "serve"], env=other.env, cwd=other.home, stdout=log, stderr=log)
        log.close()
        baton.wait_for(lambda: baton.accepts(other.http) and other.is_healthy(), "the other server connects\n" + other.log(), 30)

    def test_our_own_client_refuses_a_server_it_does_not_trust(self):
        for options, why in ((f"cacertfile={self.theirs.certificate}", "certificate is not accepted"),
                             (f"cacertfile={self.ours.certificate}&server_name_indication=mq.example.org", "mismatch"),
                             ("cacertfile=/nowhere/ca.pem", "/nowhere/ca.pem")):
            env = dict(self.server.env, BATON_SLACK_URL="http://127.0.0.1:1", BATON_SLACK_TOKEN="x", BATON_SLACK_TEAM="T",
                       BATON_BROKER_URL=f"amqps://guest:guest@127.0.0.1:{self.server.tls}/?{options}")
            worker = subprocess.Popen([baton.EXE, "worker", "slack"], env=env, text=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                said = ""
                for line in worker.stderr:
                    said += line
                    if "no connection to the broker" in line:
                        break
                self.assertIn(why, said)
            finally:
                worker.kill()
                worker.wait()
                worker.stderr.close()

    # ---- certificates as logins -----------------------------------------------------------------

    def test_external_logs_in_by_the_certificate(self):
        connection = pika.BlockingConnection(self.parameters(self.context(self.ada), pika.credentials.ExternalCredentials()))
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        # The broker checks user-id against who logged in.
        channel.confirm_delivery()
        channel.basic_publish("", queue, "x", pika.BasicProperties(user_id="ada"))
        connection.close()

    def test_external_is_refused_for_nobodys_certificate_and_not_offered_without_one(self):
        stranger = self.ours.sign("stranger")
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as refused:
            pika.BlockingConnection(self.parameters(self.context(stranger), pika.credentials.ExternalCredentials()))
        self.assertIn("ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL.", str(refused.exception))
        baton.wait_for(lambda: "no user 'stranger', whom the certificate names" in self.server.log(), "the log says who")
        with self.assertRaises(REFUSED):
            pika.BlockingConnection(self.parameters(self.context(), pika.credentials.ExternalCredentials()))

    def test_external_is_offered_only_where_it_is_set_up(self):
        server = self.start_server({"BATON_BROKER_TLS_LOGIN_FROM": None})
        self.addCleanup(server.close)
        for port, offered in ((server.tls, False), (self.server.tls, True)):
            raw = socket.create_connection(("127.0.0.1", port), 10)
            with self.context(self.ada).wrap_socket(raw, server_hostname="127.0.0.1") as s:
                s.sendall(HEADER)
                self.assertEqual(b"EXTERNAL" in s.recv(65536), offered)
        with self.assertRaises(REFUSED):
            pika.BlockingConnection(self.parameters(self.context(self.ada), pika.credentials.ExternalCredentials(), server.tls))
        pika.BlockingConnection(self.parameters(self.context(self.ada), None, server.tls)).close()

    def test_tls_1_2_without_cbc_and_static_rsa(self):
        for ciphers, taken in (("ECDHE+AESGCM", True), ("AES128-SHA256:AES256-GCM-SHA384", False),
                               ("ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA", False)):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            raw = socket.create_connection(("127.0.0.1", self.server.tls), 10)
            self.addCleanup(raw.close)
            if taken:
                context.wrap_socket(raw, server_hostname="127.0.0.1").close()
            else:
                with self.assertRaises(OSError):
                    context.wrap_socket(raw, server_hostname="127.0.0.1")

    def test_the_name_comes_from_where_the_setting_says(self):
        for source, user in (("distinguished_name", "CN=ada,O=Engines"), ("subject_alternative_name", "ada.example.org"),
                             ("subject_alternative_email", "ada@example.org")):
            server = baton.Server()
            self.addCleanup(server.close)
            [port] = baton.free_ports(1)
            del server.env["BATON_BROKER_USERS"]
            (server.home / "baton.toml").write_text(f"""
                [broker.tls]
                listen = "127.0.0.1:{port}"
                certificate = "{self.certificate}"
                key = "{self.key}"
                ca = "{self.ours.certificate}"
                verify = "peer"
                fail_if_no_peer_cert = true
                login_from = "{source}"
                [[broker.user]]
                name = "guest"
                password = "guest"
                tags = ["administrator"]
                [[broker.user]]
                name = "{user}"
                password = "unknown"
                """)
            server.start()
            pika.BlockingConnection(self.parameters(self.context(self.ada), pika.credentials.ExternalCredentials(), port)).close()
            # This one wants a certificate from everybody.
            with self.assertRaises(REFUSED):
                pika.BlockingConnection(self.parameters(self.context(), None, port))
            baton.wait_for(lambda: "clients need one here" in server.log(), "the log says so:\n" + server.log(), 10)

    # ---- what is refused ------------------------------------------------------------------------

    def test_certificates_of_another_authority_are_refused(self):
        with self.assertRaises(REFUSED):
            pika.BlockingConnection(self.parameters(self.context(self.theirs.sign("mallory"))))
        baton.wait_for(lambda: "the other side's certificate is not accepted" in self.server.log(), "the log says why")
        with self.assertRaises(REFUSED):
            pika.BlockingConnection(self.parameters(self.context(trusted=self.theirs.certificate)))
        self.still_works()

    def raw(self, port, data):
        """Sends, and reads until the other side closes."""
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.settimeout(15)
            answer = b""
            try:
                s.sendall(data)
                while chunk := s.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    def test_garbage_on_the_tls_port(self):
        for data in (HEADER + b"\x01" * 100, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(3000), b"\x00" * 500,
                     b"\x16\x03\x01\xff\xff" + b"\x01" * 70000, b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff" + b"\x00" * 300):
            answer = self.raw(self.server.tls, data)
            self.assertLessEqual(len(answer), 7, answer)  # an alert at most
        self.assertIn("the client does not speak TLS on this port", self.server.log())
        self.still_works()

    def test_who_does_not_finish_the_tls_handshake_is_let_go(self):
        began = time.monotonic()
        stalled = [socket.create_connection(("127.0.0.1", self.server.tls), 20) for _ in range(3)]
        stalled[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        # Through with TLS, and then silent.
        stalled[2] = self.context().wrap_socket(stalled[2], server_hostname="localhost")
        for s in stalled:
            with s:
                try:
                    self.assertEqual(s.recv(100), b"")
                except (ConnectionResetError, ssl.SSLEOFError):
                    pass
        self.assertTrue(8 < time.monotonic() - began < 25)
        self.still_works()

    def test_garbage_inside_tls(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(100), HEADER + os.urandom(5000)):
            with self.context().wrap_socket(socket.create_connection(("127.0.0.1", self.server.tls), 10),
                                            server_hostname="localhost") as s:
                s.settimeout(15)
                answer = b""
                try:
                    s.sendall(data)
                    while chunk := s.recv(65536):
                        answer += chunk
                except OSError:
                    pass
                self.assertTrue(answer.startswith(HEADER) or b"\x00\x0a\x00\x0a" in answer, answer)
        self.still_works()

    def test_a_tls_client_on_the_plain_port_is_answered_and_let_go(self):
        with self.assertRaises(ssl.SSLError):
            self.context().wrap_socket(socket.create_connection(("127.0.0.1", self.server.amqp), 10), server_hostname="localhost")
        with self.assertRaises(REFUSED):
            pika.BlockingConnection(self.parameters(self.context(), None, self.server.amqp))
        self.assertIn("does not speak AMQP 0-9-1 here", self.server.log())
        self.still_works()

    def test_old_versions_are_refused(self):
        context = self.context()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            context.wrap_socket(socket.create_connection(("127.0.0.1", self.server.tls), 10), server_hostname="localhost")

    # ---- files ----------------------------------------------------------------------------------

    def test_a_renewed_certificate_is_shown_from_the_next_connection_on(self):
        def serial():
            with self.context().wrap_socket(socket.create_connection(("127.0.0.1", server.tls), 10),
                                            server_hostname="localhost") as s:
                return s.getpeercert()["serialNumber"]
        shutil.copy(self.certificate, self.folder / "shown.pem")
        shutil.copy(self.key, self.folder / "shown.key")
        server = self.start_server({"BATON_BROKER_TLS_CERTIFICATE": str(self.folder / "shown.pem"),
                                    "BATON_BROKER_TLS_KEY": str(self.folder / "shown.key")})
        self.addCleanup(server.close)
        old = pika.BlockingConnection(self.parameters(self.context(), None, server.tls))
        before = serial()
        certificate, key = self.ours.sign("renewed")

        # One file after the other: in between they do not fit, and the old ones stay in use.
        shutil.move(certificate, self.folder / "shown.pem")
        self.assertEqual(serial(), before)
        self.assertIn("does not belong to the certificate", server.log())
        shutil.move(key, self.folder / "shown.key")

        self.assertNotEqual(serial(), before)
        self.roundtrip(old)

    def test_a_key_with_a_password(self):
        certificate, key = self.ours.sign("locked", password="open sesame")
        server = self.start_server({"BATON_BROKER_TLS_CERTIFICATE": certificate, "BATON_BROKER_TLS_KEY": key,
                                    "BATON_BROKER_TLS_KEY_PASSWORD": "open sesame"})
        self.addCleanup(server.close)
        self.roundtrip(pika.BlockingConnection(self.parameters(self.context(), None, server.tls)))

    def test_only_tls(self):
        server = baton.Server()
        self.addCleanup(server.close)
        [server.tls] = baton.free_ports(1)
        server.env.update({"BATON_BROKER_LISTEN": "", "BATON_BROKER_TLS_LISTEN": f"127.0.0.1:{server.tls}",
                           "BATON_BROKER_TLS_CERTIFICATE": self.certificate, "BATON_BROKER_TLS_KEY": self.key})
        server.amqp = server.tls  # what start() waits for
        server.start()
        self.roundtrip(pika.BlockingConnection(self.parameters(self.context(), None, server.tls)))

    def test_files_that_cannot_be_used_are_named_at_start(self):
        garbage = self.folder / "garbage.pem"
        garbage.write_bytes(os.urandom(1000))
        other_certificate, other_key = self.ours.sign("other")
        locked, locked_key = self.ours.sign("shut", password="open sesame")
        for certificate, key, authority, said in (
                ("/nowhere/server.pem", self.key, self.ours.certificate, ["cannot read the certificate '/nowhere/server.pem'", "No such file"]),
                (self.certificate, "/nowhere/server.key", self.ours.certificate, ["cannot read the key '/nowhere/server.key'"]),
                (self.certificate, self.key, "/nowhere/ca.pem", ["/nowhere/ca.pem"]),
                (str(garbage), self.key, self.ours.certificate, [f"'{garbage}' holds no certificate in PEM form"]),
                (self.certificate, str(garbage), self.ours.certificate, [f"'{garbage}' holds no private key in PEM form"]),
                (self.certificate, self.key, str(garbage), [f"'{garbage}' holds no certificate of an authority"]),
                (self.certificate, other_key, self.ours.certificate, [f"the key '{other_key}' does not belong to the certificate"]),
                (locked, locked_key, self.ours.certificate, ["password"])):
            with self.assertRaises(AssertionError) as refused:
                self.start_server({"BATON_BROKER_TLS_CERTIFICATE": certificate, "BATON_BROKER_TLS_KEY": key,
                                   "BATON_BROKER_TLS_CA": authority})
            for words in said:
                self.assertIn(words, str(refused.exception))
            self.assertNotIn("AddressSanitizer", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
