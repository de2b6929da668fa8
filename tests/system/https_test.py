"""HTTP over TLS: the command line and foreign clients trust the certificate they are given, and nobody gets in
the way of others by half a handshake or by garbage."""
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import baton
import certificates


class HttpsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-https-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.authority = certificates.Authority(cls.folder, "authority")
        cls.other = certificates.Authority(cls.folder, "other")
        cls.certificate, cls.key = cls.authority.sign("server")
        cls.server = baton.Server(env={"BATON_HTTP_TLS_CERTIFICATE": cls.certificate, "BATON_HTTP_TLS_KEY": cls.key})
        cls.server.ca = cls.authority.certificate
        cls.server.env["BATON_URL"] = f"https://127.0.0.1:{cls.server.http}"
        cls.server.env["BATON_CA_FILE"] = cls.authority.certificate
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def verb(self, *args, **changes):
        env = {key: value for key, value in dict(self.server.env, **changes).items() if value is not None}
        return subprocess.run([baton.EXE, *args], env=env, capture_output=True, text=True, timeout=60)

    def test_verbs_trust_the_authority_they_are_given_and_no_other(self):
        self.assertEqual(self.verb("await").returncode, 0)
        self.assertEqual(self.verb("runs").returncode, 0)
        self.assertEqual(self.verb("ctl", "list_queues").returncode, 0)
        by_option = self.verb("--ca", self.authority.certificate, "runs", BATON_CA_FILE=None)
        self.assertEqual(by_option.returncode, 0, by_option.stderr)
        for changes in ({"BATON_CA_FILE": None}, {"BATON_CA_FILE": self.other.certificate},
                        {"BATON_URL": self.server.env["BATON_URL"].replace("127.0.0.1", "localhost.localdomain")}):
            refused = self.verb("runs", **changes)
            self.assertEqual(refused.returncode, 3, refused.stderr)
            if "BATON_URL" not in changes:
                self.assertIn("BATON_CA_FILE", refused.stderr)

    def test_a_file_that_is_no_authority_is_the_settings_fault(self):
        garbage = self.folder / "garbage.pem"
        garbage.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
        words = self.folder / "words.pem"
        words.write_text("trust me")
        for file, reason in ((self.folder / "none", "cannot be read: No such file"), (self.folder, "cannot be read"),
                             (words, "holds no certificate in PEM"), (garbage, "cannot be used")):
            for verb in (("runs",), ("await",), ("run", "x"), ("dead", "list")):
                with self.subTest((file.name, verb)):
                    refused = self.verb("--ca", str(file), *verb)
                    self.assertEqual(refused.returncode, 2, refused.stderr)
                    self.assertIn(str(file), refused.stderr)
                    self.assertIn(reason, refused.stderr)

    def test_the_wrong_protocol_is_named(self):
        plain = self.server.env["BATON_URL"].replace("https", "http")
        refused = self.verb("runs", BATON_URL=plain)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("speaks HTTPS: BATON_URL must begin with https://", refused.stderr)
        refused = self.verb("runs", BATON_URL=f"http://127.0.0.1:{self.server.amqp}")
        self.assertIn("must name the port of HTTP (15672), not that of AMQP", refused.stderr)
        refused = self.verb("runs", BATON_URL=f"https://127.0.0.1:{self.server.amqp}")
        self.assertIn("speaks no TLS", refused.stderr)

    def test_large_bodies_go_through_in_both_directions(self):
        path = self.server.home / "big.toml"
        path.write_text('workflow = "big"\n[input]\ntext = { type = "string" }\n[[step]]\nid = "a"\n'
                        'set = { text = "${input.text}" }\n')
        deployed = self.verb("deploy", str(path))
        self.assertEqual(deployed.returncode, 0, deployed.stdout + deployed.stderr)
        text = "ü" * 1_000_000
        run = self.server.http_json(self.server.http, "/api/runs", {"workflow": "big", "input": {"text": text}})["run"]
        shown = baton.wait_for(lambda: self.closed(run), "the run ends")
        self.assertEqual(shown["input"]["text"], text)

    def closed(self, run):
        details = self.server.http_json(self.server.http, "/api/runs/" + run)
        return details if details["closed_at"] else None

    def test_curl_keeps_its_connection(self):
        url = self.server.env["BATON_URL"] + "/api/health"
        done = subprocess.run(["curl", "-sv", "--cacert", self.authority.certificate, url, url], capture_output=True, text=True,
                              timeout=30)
        self.assertEqual(done.stdout.count('"status":"ok"'), 2, done.stderr)
        self.assertIn("Re-using existing connection", done.stderr)
        self.assertRegex(done.stderr, "TLSv1.3")

    def test_who_does_not_speak_tls_keeps_nobody_out(self):
        half = [socket.create_connection(("127.0.0.1", self.server.http), 5) for _ in range(1100)]
        try:
            half[0].sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            half[1].sendall(os.urandom(500))
            half[2].sendall(b"\x16\x03\x01\x02\x00\x01")
            self.assertTrue(self.server.is_healthy())
            half[0].settimeout(10)
            self.assertNotIn(b"HTTP/1.1 200", half[0].recv(1000))
        finally:
            for one in half:
                one.close()

    def test_old_versions_are_refused(self):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", self.server.http), 5) as plain, self.assertRaises(OSError):
            context.wrap_socket(plain, server_hostname="127.0.0.1")


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-https-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.authority = certificates.Authority(self.folder, "authority")

    def server(self, **env):
        server = baton.Server(env=env)
        self.addCleanup(server.close)
        return server

    def test_a_renewed_certificate_is_shown_without_a_restart(self):
        certificate, key = self.authority.sign("server")
        server = self.server(BATON_HTTP_TLS_CERTIFICATE=certificate, BATON_HTTP_TLS_KEY=key)
        server.ca = self.authority.certificate
        server.start()
        fresh = certificates.Authority(self.folder, "fresh")
        for made, used in zip(fresh.sign("renewed"), (certificate, key)):
            shutil.copy(made, used)
        server.ca = fresh.certificate
        self.assertTrue(server.is_healthy())

    def test_files_that_cannot_be_used_are_named_at_start(self):
        certificate, key = self.authority.sign("server")
        for env, words in (({"BATON_HTTP_TLS_CERTIFICATE": certificate}, "http.tls.key"),
                           ({"BATON_HTTP_TLS_CERTIFICATE": certificate, "BATON_HTTP_TLS_KEY": self.authority.key}, "does not belong"),
                           ({"BATON_HTTP_TLS_CERTIFICATE": str(self.folder / "none"), "BATON_HTTP_TLS_KEY": key}, "none")):
            server = self.server(**env)
            done = subprocess.run([baton.EXE, "serve"], env=server.env, cwd=server.home, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)

    def test_plain_http_beyond_loopback_is_warned_of(self):
        certificate, key = self.authority.sign("server")
        warning = "HTTP without TLS listens beyond this machine"
        for env, is_warned in (({}, False), ({"BATON_HTTP_LISTEN": "0.0.0.0:0"}, True),
                               ({"BATON_HTTP_LISTEN": "0.0.0.0:0", "BATON_HTTP_TLS_CERTIFICATE": certificate,
                                 "BATON_HTTP_TLS_KEY": key}, False)):
            with self.subTest(env=env):
                server = self.server(**env)
                endpoints = server.home / "data" / "endpoints.json"
                with open(server.log_path, "ab") as log:
                    server.process = subprocess.Popen([baton.EXE, "serve"], env=server.env, cwd=server.home,
                                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                baton.wait_for(lambda: endpoints.exists() and endpoints.read_text().endswith("\n"), "the server listens", 60)
                self.assertEqual(json.loads(endpoints.read_text())["https"], "BATON_HTTP_TLS_KEY" in env)
                server.stop()
                self.assertEqual(warning in server.log(), is_warned)


if __name__ == "__main__":
    unittest.main()
