"""A client of /baton/v1 for tests: whatever the server answers must be as web/openapi.yaml says."""
import base64
import http.client
import json
import re
import urllib.parse

import jsonschema
import yaml

import baton

DESCRIBED = yaml.safe_load((baton.ROOT / "web" / "openapi.yaml").read_text())
PREFIX = "/baton/v1"


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers = status, headers
        is_json = "json" in (headers.get("Content-Type") or "")
        self.text = text.decode()
        self.body = json.loads(self.text) if is_json and text else None


def described(method, path):
    """The operation of a path as it was asked for."""
    fitting = []
    for pattern, item in DESCRIBED["paths"].items():
        expression = "^" + re.sub(r"\{\w+\}", "[^/]+", pattern) + "$"
        if re.match(expression, path) and method.lower() in item:
            fitting.append((pattern.count("{"), pattern, item[method.lower()]))
    return min(fitting)[2] if fitting else None


def schema_of(operation, status, content_type):
    response = operation["responses"].get(str(status)) or operation["responses"]["default"]
    if "$ref" in response:
        response = DESCRIBED["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    content = response.get("content", {})
    return content[content_type]["schema"] if content_type in content else None


def check(method, path, answer):
    operation = described(method, path.split("?")[0])
    if operation is None:
        raise AssertionError(f"{method} {path} is not described")
    if not answer.text:
        return
    kind = answer.headers["Content-Type"]
    schema = schema_of(operation, answer.status, kind)
    if schema is None:
        raise AssertionError(f"{method} {path} answered {answer.status} with {kind}, which is not described: {answer.text[:300]}")
    if answer.body is not None:
        jsonschema.Draft202012Validator({**schema, "components": DESCRIBED["components"]}).validate(answer.body)


class Client:
    def __init__(self, server, user="guest", password="guest"):
        self.server = server
        self.login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None
        self.seen = set()  # operations that were asked for

    def ask(self, method, path, body=None, status=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=90)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.login and "Authorization" not in sent:
            sent["Authorization"] = self.login
        data = None
        if body is not None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, PREFIX + path, body=data, headers=sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        check(method, PREFIX + path, answer)
        if status is not None and answer.status != status:
            raise AssertionError(f"{method} {path}: {answer.status} instead of {status}: {answer.text[:1000]}")
        return answer

    def get(self, path, status=200, **headers):
        return self.ask("GET", path, status=status, **headers).body

    def post(self, path, body=None, status=200, **headers):
        return self.ask("POST", path, {} if body is None else body, status=status, **headers).body

    def all(self, path, **query):
        """Every item, page by page."""
        after = None
        while True:
            asked = {**query, **({"after": after} if after else {})}
            page = self.get(path + "?" + urllib.parse.urlencode(asked))
            yield from page["items"]
            after = page["next"]
            if after is None:
                return


class Events:
    """A stream of /events, read line by line."""

    def __init__(self, server, topics, last_event_id=None, user="guest:guest"):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=60)
        headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self.connection.request("GET", f"{PREFIX}/events?topics={topics}", headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self):
        """(id, event, data) of the next one; comments are (None, "comment", text)."""
        event = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if line.startswith(":"):
                event = {"event": "comment", "data": line[1:].strip()}
            elif ":" in line:
                name, value = line.split(": ", 1)
                event[name] = value
            elif "event" in event:
                data = event.get("data", "")
                return event.get("id"), event["event"], json.loads(data) if data.startswith("{") else data

    def close(self):
        self.connection.close()
