"""Sessions of browsers against the whole server: a cookie instead of the password, until the user, the password or
the session ends; what other sites may not do with it; and the version."""
import base64
import http.client
import json
import unittest

import baton


class SessionsTest(baton.ServerTest):
    env = {"BATON_BROKER_USERS": "guest:guest,ada[baton-operator]:first"}

    def ask(self, method, path, cookie=None, user=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=30)
        try:
            if cookie:
                headers["Cookie"] = "theme=dark; " + cookie
            if user:
                headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None, answer.getheader("Set-Cookie")
        finally:
            connection.close()

    @property
    def origin(self):
        return {"Origin": f"http://127.0.0.1:{self.server.http}"}

    def log_in(self, user="ada:first"):
        status, body, cookie = self.ask("POST", "/api/login", user=user)
        self.assertEqual(status, 200, body)
        for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(word, cookie)
        self.assertNotIn("Secure", cookie, "this server speaks plain HTTP")
        self.assertNotIn("first", cookie)
        return cookie.split(";")[0]

    def test_a_cookie_is_enough_until_the_session_ends(self):
        cookie = self.log_in()
        self.assertEqual(self.ask("GET", "/api/login", cookie)[1], {"user": "ada", "tags": ["baton-operator"]})
        self.assertEqual(self.ask("GET", "/api/runs", cookie)[0], 200)
        self.assertEqual(self.ask("POST", "/api/runs/01900000/cancel", cookie, **self.origin)[0], 404)
        self.assertEqual(self.ask("DELETE", "/api/workflows/none", cookie, **self.origin)[0], 403, "ada may not deploy")
        self.assertEqual(self.ask("DELETE", "/api/login", cookie, **self.origin)[0], 204)
        self.assertEqual(self.ask("GET", "/api/runs", cookie)[0], 401)

    def test_other_sites_and_programs_with_a_stolen_cookie_change_nothing(self):
        cookie = self.log_in()
        for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            with self.subTest(headers=headers):
                self.assertEqual(self.ask("POST", "/api/runs/01900000/cancel", cookie, **headers)[0], 403)

    def test_it_ends_with_the_password_and_with_the_user(self):
        put = lambda password: self.server.http_json(
            self.server.http, "/api/users/bob", {"password": password, "tags": "baton-viewer"}, method="PUT")
        put("one")
        first = self.log_in("bob:one")
        self.assertEqual(self.ask("GET", "/api/runs", first)[0], 200)
        put("two")
        self.assertEqual(self.ask("GET", "/api/runs", first)[0], 401)
        second = self.log_in("bob:two")
        self.server.http_json(self.server.http, "/api/users/bob", method="DELETE")
        self.assertEqual(self.ask("GET", "/api/runs", second)[0], 401)
        self.assertEqual(self.ask("POST", "/api/login", user="bob:two")[0], 401)

    def test_the_version_is_told_to_users(self):
        self.assertEqual(self.ask("GET", "/api/version")[0], 401)
        status, body, _ = self.ask("GET", "/api/version", user="ada:first")
        self.assertEqual((status, body["product"]), (200, "Baton"))
        self.assertIn(body["version"], self.server.baton("--version").stdout)
        self.assertTrue(body["broker"])


if __name__ == "__main__":
    unittest.main()
